"""Calls Prefect's global limits in every way, and prints what came of each as a JSON object.

The limits `db` (2 slots), `disk` (3), `full` (1, taken), `calls` (2 slots, a rate) and `tag:etl` (1) are there.
"""

import asyncio
import json
import logging
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import concurrency as aconcurrency
from prefect.concurrency.asyncio import rate_limit as arate_limit
from prefect.concurrency.sync import concurrency, rate_limit

RUN = UUID("2c0a6a2e-6a42-4c0b-9b0c-1f6a4f1f7d11")
warnings: list[str] = []


class Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warnings.append(record.getMessage())


def failure(error: BaseException) -> dict[str, object]:
    return {"error": type(error).__name__, "isTimeout": isinstance(error, TimeoutError), "text": str(error)}


def taken(*names: str) -> list[int]:
    with get_client(sync_client=True) as client:
        return [client.read_global_concurrency_limit_by_name(name).active_slots for name in names]


async def ataken(*names: str) -> list[int]:
    return await asyncio.to_thread(taken, *names)


def synchronous() -> dict[str, object]:
    seen: dict[str, object] = {}
    with concurrency(["db", "disk", "not there"], occupy=2):
        seen["inside"] = taken("db", "disk")
    seen["after"] = taken("db", "disk")
    with concurrency("not there", occupy=1):
        seen["missing"] = "ran"
    for case, call in {
        "strict": lambda: concurrency("not there", strict=True),
        "too many": lambda: concurrency("db", occupy=3),
        "timeout": lambda: concurrency("full", timeout_seconds=0.5),
        "short lease": lambda: concurrency("db", lease_duration=59),
    }.items():
        try:
            with call():
                seen[case] = "ran"
        except Exception as error:
            seen[case] = failure(error)
    rate_limit("calls")
    try:
        rate_limit("db")
    except Exception as error:
        seen["no rate"] = failure(error)
    return seen


async def asynchronous() -> dict[str, object]:
    seen: dict[str, object] = {}
    async with aconcurrency(["db", "disk", "not there"], occupy=2):
        seen["inside"] = await ataken("db", "disk")
    seen["after"] = await ataken("db", "disk")
    seen["run"] = str(RUN)
    async with aconcurrency("tag:etl", holder=ConcurrencyLeaseHolder(type="task_run", id=RUN)):
        async with get_client() as client:
            seen["holders"] = [str(one) for one in (await client.read_concurrency_limit_by_tag("etl")).active_slots]
    for case, call in {
        "strict": lambda: aconcurrency("not there", strict=True),
        "too many": lambda: aconcurrency("db", occupy=3),
        "timeout": lambda: aconcurrency("full", timeout_seconds=0.5),
        "short lease": lambda: aconcurrency("db", lease_duration=59),
    }.items():
        try:
            async with call():
                seen[case] = "ran"
        except Exception as error:
            seen[case] = failure(error)
    await arate_limit("calls")
    seen["charged"] = await ataken("calls")
    try:
        await arate_limit("calls", timeout_seconds=0.2)
    except Exception as error:
        seen["used up"] = failure(error)
    try:
        await arate_limit("not there", strict=True)
    except Exception as error:
        seen["strict rate"] = failure(error)
    return seen


logging.getLogger("prefect.concurrency").addHandler(Warnings())
outcome = {"sync": synchronous(), "async": asyncio.run(asynchronous())}
print(json.dumps({**outcome, "warnings": warnings}))
