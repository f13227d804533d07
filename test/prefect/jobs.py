"""Runs jobs of 50 ms, each holding a slot of a tag. Nothing here knows of Slotkeeper: it is a program for Prefect.

Usage: jobs.py TAG JOBS LOG
Each job appends a line as it begins and as it ends; appends of all processes fall into one order.
"""

import asyncio
import os
import sys
from uuid import uuid4

from prefect.concurrency.v1.asyncio import concurrency

tag, jobs, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def job() -> None:
    task_run_id = uuid4()
    async with concurrency(tag, task_run_id, timeout_seconds=120):
        os.write(log, f"begin {task_run_id}\n".encode())
        await asyncio.sleep(0.05)
        os.write(log, f"end {task_run_id}\n".encode())


async def main() -> None:
    await asyncio.gather(*(job() for _ in range(jobs)))


asyncio.run(main())
