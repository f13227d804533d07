"""Subscribes to the events of a concurrency limit with Prefect's own client, and prints each as a line of JSON.

Usage: listen.py LIMIT_ID COUNT, the number of events after which it ends.
"""

import asyncio
import sys

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventResourceFilter


async def main(limit_id: str, count: int) -> None:
    filter = EventFilter(resource=EventResourceFilter(id=[f"prefect.concurrency-limit.{limit_id}"]))
    async with get_events_subscriber(filter=filter) as subscriber:
        print("listening", flush=True)
        async for event in subscriber:
            print(event.model_dump_json(), flush=True)
            count -= 1
            if count == 0:
                return


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
