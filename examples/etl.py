"""An unmodified Prefect program that takes its slots from Slotkeeper: PREFECT_API_URL=http://127.0.0.1:4230/api"""

import asyncio
import uuid

from prefect.concurrency.v1.asyncio import concurrency


async def main() -> None:
    async with concurrency(["etl"], uuid.uuid4()):
        print("in")


asyncio.run(main())
