"""Pages of Stripe's list of events, and what its three readers return."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import datetime

from stripe_sync.catalog import STRIPE_EVENTS
from stripe_sync.extract.lists.usable_events import usable_events
from stripe_sync.extract.pagination import ListPage, ListRequest, paginate
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

EVENTS_PATH = "/v1/events"

MAX_PAGES = 8
"""Pages read from the top before the feed turns to catching up; pages of a catch-up window."""

EventPages = AsyncGenerator[ListPage, None]


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Stripe events not processed before.

    Attributes:
        events: Oldest first.
        asked_at: When the first request was sent.
        answered_at: When its answer was there: a request sent later returns no older state.
        stripe_date: ``Date`` of that answer, in Unix seconds.
        behind: Whether there are more that were not read yet.
        complete: Whether the whole lookback was read.
    """

    events: list[JsonObject]
    asked_at: datetime
    answered_at: datetime
    stripe_date: int
    behind: bool = False
    complete: bool = True


async def event_pages(requester: Requester, start: int, end: int | None = None) -> EventPages:
    """Pages, newest first, of the events created in [start, end)."""
    created = {"gte": start} if end is None else {"gte": start, "lt": end}
    request = ListRequest(
        EVENTS_PATH, params={"created": created}, by_time=True, collection_id=STRIPE_EVENTS
    )
    async for page in paginate(requester, request):
        yield replace(page, objects=usable_events(requester, page))


def oldest_first(events: list[JsonObject]) -> list[JsonObject]:
    """Oldest first, each once; within a second Stripe's own order is kept."""
    once = {event["id"]: event for event in reversed(events)}
    return sorted(once.values(), key=created_of)


def created_of(event: JsonObject) -> int:
    """Unix seconds of a Stripe event."""
    return int(event["created"])
