"""Runs jobs of 50 ms, each holding a slot of a limit, as soon as it is told to. A program for Prefect as it comes.

Usage: twenty-jobs.py v1|v2 bare|flow LIMIT JOBS
Bare, Prefect makes a new HTTP client for each release; in flows and tasks it keeps one, as it does here with `flow`.
Prints `ready` when everything is imported, starts at a line on stdin, and prints `done` after its last job, with the
seconds that its jobs had the slot: from the moment at which each entered `concurrency` until it had left it.
"""

import asyncio
import sys
from contextlib import nullcontext
from time import perf_counter
from uuid import uuid4

from prefect.concurrency.asyncio import concurrency as concurrency_v2
from prefect.concurrency.v1.asyncio import concurrency as concurrency_v1
from prefect.context import AsyncClientContext

api, where, limit, jobs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])


def slot():
    if api == "v1":
        return concurrency_v1(limit, uuid4(), timeout_seconds=300)
    return concurrency_v2(limit, timeout_seconds=300, strict=True)


async def job() -> float:
    async with slot():
        since = perf_counter()
        await asyncio.sleep(0.05)
    return perf_counter() - since


async def main() -> float:
    async with AsyncClientContext.get_or_create() if where == "flow" else nullcontext():
        return sum(await asyncio.gather(*(job() for _ in range(jobs))))


print("ready", flush=True)
sys.stdin.readline()
print(f"done {asyncio.run(main()):.6f}", flush=True)
