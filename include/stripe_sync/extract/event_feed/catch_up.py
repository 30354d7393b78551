"""Catching up: Stripe events of minutes or weeks in which nobody polled, oldest first."""

from __future__ import annotations

from collections.abc import Container

from stripe_sync.extract.event_feed.event_pages import (
    MAX_PAGES,
    EventBatch,
    event_pages,
    oldest_first,
)
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

MAX_WINDOW = 86_400
"""Width of a catch-up window, in seconds, at most."""

MAX_AGE = 32 * 86_400
"""Age in seconds at which Stripe certainly has no events any more: it keeps them for 30 days."""


class EventCatchUp:
    """Reads missed events, oldest first, in windows of time as wide as a few pages hold.

    Args:
        requester: Sends the requests; events were missed up to Stripe's time at each.
        start: Unix seconds from which events were missed.
    """

    def __init__(self, requester: Requester, start: int) -> None:
        self._requester = requester
        self._start = max(start, requester.api.stripe_clock.now() - MAX_AGE)
        self._width = MAX_WINDOW

    async def step(self, processed: Container[str]) -> EventBatch:
        """Read the next window that has new events.

        Args:
            processed: Ids of processed events.

        Returns:
            The new events of the window; ``behind`` as long as there are later windows.

        Raises:
            StripeError: As the client raises it; the next step reads the same window.
        """
        clock = self._requester.clock
        while True:
            asked_at, now = clock.now(), self._requester.api.stripe_clock.now()
            end = min(self._start + self._width, max(now, self._start) + 1)
            events = await self._window(end)
            answered_at = clock.now()
            if events is None:
                self._width = max(1, (end - self._start) // 4)
                continue
            self._start = end
            if len(events) < PAGE_SIZE * MAX_PAGES // 4:
                self._width = min(MAX_WINDOW, self._width * 2)
            new = [event for event in events if event["id"] not in processed]
            behind = end <= now
            if new or not behind:
                break
        return EventBatch(
            oldest_first(new),
            asked_at,
            answered_at,
            self._requester.api.stripe_clock.date,
            behind,
            complete=not behind,
        )

    async def _window(self, end: int) -> list[JsonObject] | None:
        """All events created before ``end``; None where they are too many for one window."""
        found: list[JsonObject] = []
        pages = 0
        async for page in event_pages(self._requester, self._start, end):
            pages += 1
            found += page.objects
            # Events of one second stay together, however many they are.
            if page.has_more and pages == MAX_PAGES and end - self._start > 1:
                return None
        return found
