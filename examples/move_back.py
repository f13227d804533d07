"""
Moves limits from one server to another, both of which speak Prefect's API: names, sizes, decay, and whether they are active. A limit
that is there already becomes as it is here, so it may be run twice. Limits of deployments (`deployment:<id>`) are left out: the Prefect
server has changed its own while nobody looked at the copies here. From Slotkeeper back to a Prefect server:

    python examples/move_back.py http://127.0.0.1:4230/api http://127.0.0.1:4200/api
"""

import asyncio
import re
import sys

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectAlreadyExists

PAGE = 200
OF_A_DEPLOYMENT = re.compile(r"deployment:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


async def main(source: str, target: str) -> None:
    async with PrefectClient(source) as here, PrefectClient(target) as there:
        offset = 0
        while limits := await here.read_global_concurrency_limits(limit=PAGE, offset=offset):
            for limit in limits:
                if OF_A_DEPLOYMENT.match(limit.name):
                    continue
                wanted = limit.model_dump(include={"name", "limit", "active", "slot_decay_per_second"})
                try:
                    await there.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(**wanted))
                except ObjectAlreadyExists:
                    await there.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(**wanted))
                print(limit.name)
            offset += len(limits)


asyncio.run(main(*sys.argv[1:]))
