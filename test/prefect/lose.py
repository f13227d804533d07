"""Holds a slot until it is told that the slot is lost, or else until its input ends; then prints how that went.

Usage: lose.py sync|async LIMIT strict|lenient
"""

import asyncio
import logging
import sys

from prefect.concurrency.asyncio import concurrency as aconcurrency
from prefect.concurrency.sync import concurrency
import select

how, limit, strict = sys.argv[1], sys.argv[2], sys.argv[3] == "strict"


class Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Concurrency lease renewal failed"):
            print(record.levelname, record.getMessage().split(" Lease ID")[0], flush=True)


def input_has_ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def synchronous() -> None:
    import time

    with concurrency(limit, lease_duration=60, strict=strict):
        print("held", flush=True)
        while not input_has_ended():
            time.sleep(0.02)
        print("worked on", flush=True)


async def asynchronous() -> None:
    async with aconcurrency(limit, lease_duration=60, strict=strict):
        print("held", flush=True)
        while not input_has_ended():
            await asyncio.sleep(0.02)
        print("worked on", flush=True)


logging.getLogger("prefect.concurrency").addHandler(Warnings())
try:
    synchronous() if how == "sync" else asyncio.run(asynchronous())
except BaseException as end:
    print("ended by", type(end).__name__, flush=True)
