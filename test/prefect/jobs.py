"""Runs jobs of 50 ms, each holding a slot of a limit. Nothing here knows of Slotkeeper: it is a program for Prefect.

Usage: jobs.py v1|v2 LIMIT JOBS LOG
Each job appends a line as it begins and as it ends; appends of all processes fall into one order.
"""

import asyncio
import os
import sys
from uuid import uuid4

from prefect.concurrency.asyncio import concurrency as v2
from prefect.concurrency.v1.asyncio import concurrency as v1

api, limit, jobs, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def job() -> None:
    run = uuid4()
    slot = v1(limit, run, timeout_seconds=120) if api == "v1" else v2(limit, timeout_seconds=120, strict=True)
    async with slot:
        os.write(log, f"begin {run}\n".encode())
        await asyncio.sleep(0.05)
        os.write(log, f"end {run}\n".encode())


async def main() -> None:
    await asyncio.gather(*(job() for _ in range(jobs)))


asyncio.run(main())
