"""The lookback: late events appear below newer ones, so the last ten minutes are read again."""

from __future__ import annotations

from collections.abc import Container
from math import ceil

from stripe_sync.extract.event_feed.event_pages import EventPages, event_pages, oldest_first
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject

LOOKBACK = 600
"""Seconds below the newest processed event in which late events are searched for."""

SCAN_PAGES = 2
"""Pages of the lookback that are read again between two polls."""


class LookbackScan:
    """Reads the lookback from its newest event to its oldest, a few pages at a time, repeatedly.

    Args:
        requester: Sends the requests.
    """

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._pages: EventPages | None = None
        self._began_at = 0.0
        self._duration = 0

    def start(self, lookback_start: int) -> int:
        """Where the next scan ends, so that it covers the lookback: both in Unix seconds.

        While a scan takes its time, the events that it searches for grow older.
        """
        return lookback_start - self._duration

    async def step(self, *, processed: Container[str], start: int) -> list[JsonObject]:
        """Read the next few pages; the new events on them, oldest first.

        Args:
            processed: Ids of processed events.
            start: Unix seconds; where a scan that begins now ends.

        Raises:
            StripeError: As the client raises it; the scan then begins anew.
        """
        if self._pages is None:
            self._began_at = self._requester.clock.monotonic()
            self._pages = event_pages(self._requester, start)
        new: list[JsonObject] = []
        try:
            for _ in range(SCAN_PAGES):
                page = await anext(self._pages)
                new += [event for event in page.objects if event["id"] not in processed]
                if not page.has_more:
                    await self._end()
                    break
        except BaseException:
            await self._end()
            raise
        return oldest_first(new)

    async def _end(self) -> None:
        if self._pages is not None:
            self._duration = ceil(self._requester.clock.monotonic() - self._began_at)
            await self._pages.aclose()
            self._pages = None
