"""Stripe events (GET /v1/events), newest first until known ground."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stripe_sync.client import Lane, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.extract.pages import PAGE_SIZE
from stripe_sync.jsonio import JsonObject

EVENTS_PATH = "/v1/events"


@dataclass(frozen=True, slots=True)
class FreshEvents:
    """What one poll found.

    Attributes:
        events: Stripe events not known before, oldest first.
        asked_at: When the first page was asked for.
        full: Whether more than one page had to be read: there may be more at once.
    """

    events: list[JsonObject]
    asked_at: datetime
    full: bool


async def newest_created(api: StripeApi, lane: Lane = Lane.LIVE) -> int:
    """``created`` of the newest Stripe event, 0 when there is none within retention.

    Raises:
        StripeError: As the client raises it.
    """
    page = await api.get(EVENTS_PATH, params={"limit": 1}, lane=lane)
    return int(page["data"][0]["created"]) if page["data"] else 0


async def fresh_events(
    api: StripeApi, clock: Clock, *, known: Container[str], floor: int, deep: bool
) -> FreshEvents:
    """Read Stripe events that are not known yet.

    Stripe's list is eventually consistent: an event may show up below events that were read
    before. A shallow poll stops at the first page that holds nothing new, which in quiet times is
    the first one and covers the whole overlap; a deep poll reads down to the floor.

    Args:
        api: The client.
        clock: Tells when a request is sent.
        known: Ids of Stripe events read before, at least those created at ``floor`` or later.
        floor: Unix seconds; events created earlier are not looked for.
        deep: Whether to read on through pages that hold nothing new.

    Raises:
        StripeError: As the client raises it.
    """
    found: list[JsonObject] = []
    seen: set[str] = set()
    asked_at = clock.now()
    cursor: str | None = None
    pages = 0
    while True:
        params: dict[str, Any] = {"limit": PAGE_SIZE}
        # A bound, not only a stop: without it a page would be read that reaches below retention.
        if cursor:
            params |= {"starting_after": cursor, "created": {"gte": floor}}
        page = await api.get(EVENTS_PATH, params=params, lane=Lane.LIVE)
        pages += 1
        events: list[JsonObject] = page["data"]
        fresh = [
            event
            for event in events
            if event["created"] >= floor and event["id"] not in known and event["id"] not in seen
        ]
        found += fresh
        seen.update(event["id"] for event in fresh)
        reached_floor = not events or events[-1]["created"] < floor
        if not page["has_more"] or reached_floor or not (fresh or deep):
            break
        cursor = events[-1]["id"]
    # Stripe's order within a second is kept: the page order, turned round.
    found.reverse()
    found.sort(key=lambda event: int(event["created"]))
    return FreshEvents(found, asked_at, full=pages > 1)
