"""Holds slots of a global limit with Prefect's own client until its input ends or they are lost, and prints how it goes.

Usage: hold.py sync|async LIMIT '{"strict": true, …}', the last being arguments of `concurrency`.
"""

import asyncio
import json
import logging
import select
import sys
import time

from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import concurrency as aconcurrency
from prefect.concurrency.sync import concurrency

how, limit, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if "holder" in options:
    options["holder"] = ConcurrencyLeaseHolder(**options["holder"])


class Losses(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Concurrency lease renewal failed"):
            print("lost", flush=True)


def input_has_ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def synchronous() -> None:
    with concurrency(limit, **options):
        print("held", flush=True)
        while not input_has_ended():
            time.sleep(0.02)
        print("done", flush=True)


async def asynchronous() -> None:
    async with aconcurrency(limit, **options):
        print("held", flush=True)
        while not input_has_ended():
            await asyncio.sleep(0.02)
        print("done", flush=True)


logging.getLogger("prefect.concurrency").addHandler(Losses())
try:
    synchronous() if how == "sync" else asyncio.run(asynchronous())
except BaseException as end:
    print("ended by", type(end).__name__, str(end).replace("\n", " "), flush=True)
