"""Follows events while it takes and gives back slots, then looks them up. Nothing here knows of Slotkeeper.

Prints two lines of JSON: the events as they were told, and the same as they were found.
"""

import asyncio
import json
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency, rate_limit
from prefect.concurrency.v1.asyncio import concurrency as tag_concurrency
from prefect.events import emit_event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter

SLOTS = "prefect.concurrency-limit."
NAMES = EventNameFilter(
    prefix=[SLOTS, "shop."], exclude_name=[f"{SLOTS}created", f"{SLOTS}updated"]
)
EXPECTED = 8


def shown(events):
    return json.dumps([event.model_dump(mode="json", exclude={"received"}) for event in events])


async def main():
    told = []
    async with get_events_subscriber(filter=EventFilter(event=NAMES)) as subscriber:
        emit_event("shop.opened", resource={"prefect.resource.id": "shop.1"})
        async with concurrency(["db", "gpu"], occupy=2):
            pass
        async with tag_concurrency("etl", uuid4()):
            pass
        await rate_limit("emails")
        async for event in subscriber:
            told.append(event)
            if len(told) == EXPECTED:
                break
    print(shown(told))
    async with get_client() as client:
        page = await client.read_events(filter=EventFilter(event=NAMES), limit=5)
        found = list(page.events)
        while next_page := await page.get_next_page(client):
            page = next_page
            found += page.events
        assert page.total == len(found), (page.total, len(found))
        related = EventRelatedFilter(role=["concurrency-limit"])
        page = await client.read_events(filter=EventFilter(related=related), limit=50)
        assert page.total == 4, page.total
    print(shown(found))


asyncio.run(main())
