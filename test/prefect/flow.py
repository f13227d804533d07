"""A flow whose tasks share a tag. Nothing here knows of Slotkeeper: it is a program for Prefect.

Usage: flow.py TAG TASKS LOG
Each task appends a line as it begins and as it ends; appends of all threads fall into one order.
"""

import os
import sys
import time

from prefect import flow, task
from prefect.events import emit_event
from prefect.task_runners import ThreadPoolTaskRunner

tag, tasks, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@task(tags=[tag])
def work(number: int) -> int:
    os.write(log, f"begin {number}\n".encode())
    time.sleep(0.2)
    os.write(log, f"end {number}\n".encode())
    return number


@flow(task_runner=ThreadPoolTaskRunner(max_workers=tasks))
def share() -> int:
    emit_event("prefect.concurrency-limit.acquired", resource={"prefect.resource.id": "claimed.by.a.client"})
    emit_event("told.by.a.client", resource={"prefect.resource.id": "something.else"})
    return sum(work.map(range(tasks)).result())


assert share() == sum(range(tasks))
