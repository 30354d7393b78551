"""The newest Stripe events: from the top of the list down to one that was processed."""

from __future__ import annotations

from collections.abc import Container

from stripe_sync.client import Priority, StripeApi
from stripe_sync.extract.event_feed.event_pages import (
    EVENTS_PATH,
    MAX_PAGES,
    EventBatch,
    created_of,
    event_pages,
    oldest_first,
)
from stripe_sync.extract.lists.usable_events import problem_of_event
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

NEWEST = 10
"""Events of which the newest one with a usable time is taken."""


async def newest_created(api: StripeApi, priority: Priority = Priority.LIVE) -> int:
    """``created`` of the newest Stripe event, 0 when there is none within retention.

    Never ahead of the moment of the request, though a Stripe event may be.

    Raises:
        StripeError: As the client raises it.
    """
    page = await api.get_page(EVENTS_PATH, params={"limit": NEWEST}, priority=priority)
    usable = (event for event in page["data"] if problem_of_event(event) is None)
    return min(next((created_of(event) for event in usable), 0), api.stripe_clock.date)


async def fetch_newest(
    requester: Requester, *, processed: Container[str], start: int
) -> EventBatch:
    """Read from the top down to an event that was processed.

    Args:
        requester: Sends the requests.
        processed: Ids of processed events, at least of those created at ``start`` or later.
        start: Unix seconds; events created earlier are left out.

    Raises:
        StripeError: As the client raises it.
    """
    asked_at = answered_at = requester.clock.now()
    stripe_date = 0
    new: list[JsonObject] = []
    pages = 0
    async for page in event_pages(requester, start):
        pages += 1
        if pages == 1:
            answered_at = requester.clock.now()
            stripe_date = requester.api.stripe_clock.date
        new += [event for event in page.objects if event["id"] not in processed]
        if not page.has_more:
            return EventBatch(oldest_first(new), asked_at, answered_at, stripe_date)
        # Below a processed event only late ones can be new; the lookback scan finds those.
        if page.objects and page.objects[-1]["id"] in processed:
            break
        if pages == MAX_PAGES:
            return EventBatch([], asked_at, answered_at, stripe_date, behind=True, complete=False)
    return EventBatch(oldest_first(new), asked_at, answered_at, stripe_date, complete=False)
