"""Holds one slot of a global limit with Prefect's own client: prints "held", and gives it back once its input ends."""

import asyncio
import sys

from prefect.concurrency.asyncio import concurrency


async def main(name: str) -> None:
    async with concurrency(name, strict=True):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main(sys.argv[1]))
