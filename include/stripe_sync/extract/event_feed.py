"""The feed of Stripe events (GET /v1/events): new ones, late ones, missed ones.

Stripe's list is newest first and eventually consistent: an event may appear below events that were
read before. Three ways of reading together miss nothing:

- ``_fetch_newest`` reads from the top down to an event that was processed. Most of the time that is
  one short page, which covers the whole lookback.
- ``LookbackScan`` reads the lookback again and again, a few pages at a time, where it does not fit
  on the first page.
- ``EventCatchUp`` reads missed minutes or weeks, oldest first, in windows of bounded size.

All times are Stripe's own (``StripeClock``). A Stripe event may be dated in the future; the
cursor never goes past the moment at which it was asked for, or what follows would be left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from stripe_sync.catalog import STRIPE_EVENTS
from stripe_sync.client import Priority, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.lists.usable_events import problem_of_event, usable_events
from stripe_sync.extract.pagination import ListPage, ListRequest, paginate
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAsideObjects

EVENTS_PATH = "/v1/events"

LOOKBACK = 600
"""Seconds below the newest processed event in which late events are searched for."""

MAX_PAGES = 8
"""Pages read from the top before the feed turns to catching up; pages of a catch-up window."""

SCAN_PAGES = 2
"""Pages of the lookback that are read again between two polls."""

MAX_WINDOW = 86_400
"""Width of a catch-up window, in seconds, at most."""

NEWEST = 10
"""Events of which the newest one with a usable time is taken."""

MAX_AGE = 32 * 86_400
"""Age in seconds at which Stripe certainly has no events any more: it keeps them for 30 days."""

_FORGET_SECONDS = 60.0

_Pages = AsyncGenerator[ListPage, None]


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


class EventFeed:
    """Finds the Stripe events of a sync that were not processed yet.

    A poll calls ``fetch_new``, then ``mark_seen`` before the events are committed (the commit takes
    the ``watermark``), then ``mark_committed``.

    Args:
        api: The client.
        clock: The time of requests, but not of Stripe events.
        cutoff: Unix seconds; events created earlier are left out.
        watermark: ``watermark`` of an earlier feed; None for the cutoff.
        missed_since: Unix seconds from which an earlier feed left out events; None for none.
        set_aside: Takes what is no Stripe event that can be processed.

    Attributes:
        watermark: ``created`` of the newest event, in Unix seconds.
        lookback_start: Unix seconds from which events are searched for.
    """

    def __init__(
        self,
        api: StripeApi,
        clock: Clock,
        *,
        cutoff: int,
        watermark: int | None = None,
        missed_since: int | None = None,
        set_aside: SetAsideObjects | None = None,
    ) -> None:
        objects = SetAsideObjects() if set_aside is None else set_aside
        self._requester = Requester(api, clock, Priority.LIVE, set_aside=objects)
        self._clock = clock
        self._cutoff = cutoff
        self.watermark = max(watermark or 0, cutoff)
        self._stripe_date = self.watermark
        self._scan = LookbackScan(self._requester)
        self._scan_step: asyncio.Task[list[JsonObject]] | None = None
        self._catch_up: EventCatchUp | None = None
        self._processed: dict[str, int] = {}
        self._forgot_at = clock.monotonic()
        self.lookback_start = max(self.watermark - LOOKBACK, cutoff)
        if missed_since is not None:
            self.lookback_start = max(min(self.lookback_start, missed_since), cutoff)
            self._catch_up = EventCatchUp(self._requester, self.lookback_start)

    def add_processed(self, processed: dict[str, int]) -> None:
        """Add Stripe events that earlier feeds processed: Unix seconds of creation by id."""
        self._processed |= processed

    async def fetch_new(self) -> EventBatch:
        """New events and late events.

        Raises:
            StripeError: As the client raises it; the next call reads the same.
        """
        batch = await self._fetch()
        self._stripe_date = batch.stripe_date
        return batch

    def mark_seen(self, events: list[JsonObject]) -> None:
        """Move the watermark over events of a batch, before it is committed with them."""
        newest = max((_created(event) for event in events), default=0)
        self.watermark = max(self.watermark, min(newest, self._stripe_date))
        self.lookback_start = max(self.watermark - LOOKBACK, self._cutoff)

    def mark_committed(self, events: list[JsonObject]) -> None:
        """Return these events no more."""
        self._processed |= {event["id"]: int(event["created"]) for event in events}
        now = self._clock.monotonic()
        if now - self._forgot_at < _FORGET_SECONDS:
            return
        self._forgot_at = now
        oldest = self._scan.start(self.lookback_start)
        self._processed = {
            event_id: created for event_id, created in self._processed.items() if created >= oldest
        }

    async def aclose(self) -> None:
        """Cancel the request under way, if any."""
        if self._scan_step is not None:
            self._scan_step.cancel()
            await asyncio.gather(self._scan_step, return_exceptions=True)

    async def _fetch(self) -> EventBatch:
        if self._catch_up is None:
            batch = await _fetch_newest(
                self._requester, processed=self._processed, start=self.lookback_start
            )
            if not batch.behind:
                return batch if batch.complete else await self._with_late(batch)
            self._catch_up = EventCatchUp(self._requester, self.lookback_start)
        batch = await self._catch_up.step(self._processed)
        if not batch.behind:
            self._catch_up = None
        return batch

    async def _with_late(self, batch: EventBatch) -> EventBatch:
        """Add the late events that the scan found since the last poll, and start its next step.

        The scan runs in the background, so that new events do not wait for it.
        """
        late = await self._scanned()
        if self._scan_step is None:
            start = max(self._scan.start(self.lookback_start), self._cutoff)
            step = self._scan.step(processed=self._processed, start=start)
            self._scan_step = asyncio.create_task(step)
        new = {event["id"] for event in batch.events}
        events = [*(event for event in late if event["id"] not in new), *batch.events]
        return replace(batch, events=sorted(events, key=_created))

    async def _scanned(self) -> list[JsonObject]:
        """Events of the last step of the scan, if it is done, without those processed since."""
        if self._scan_step is None or not self._scan_step.done():
            return []
        step, self._scan_step = self._scan_step, None
        late = await step
        return [event for event in late if event["id"] not in self._processed]


async def newest_created(api: StripeApi, priority: Priority = Priority.LIVE) -> int:
    """``created`` of the newest Stripe event, 0 when there is none within retention.

    Never ahead of the moment of the request, though a Stripe event may be.

    Raises:
        StripeError: As the client raises it.
    """
    page = await api.get_page(EVENTS_PATH, params={"limit": NEWEST}, priority=priority)
    usable = (event for event in page["data"] if problem_of_event(event) is None)
    return min(next((_created(event) for event in usable), 0), api.stripe_clock.date)


async def _fetch_newest(
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
    async for page in _pages(requester, start):
        pages += 1
        if pages == 1:
            answered_at = requester.clock.now()
            stripe_date = requester.api.stripe_clock.date
        new += [event for event in page.objects if event["id"] not in processed]
        if not page.has_more:
            return EventBatch(_oldest_first(new), asked_at, answered_at, stripe_date)
        # Below a processed event only late ones can be new; the lookback scan finds those.
        if page.objects and page.objects[-1]["id"] in processed:
            break
        if pages == MAX_PAGES:
            return EventBatch([], asked_at, answered_at, stripe_date, behind=True, complete=False)
    return EventBatch(_oldest_first(new), asked_at, answered_at, stripe_date, complete=False)


class LookbackScan:
    """Reads the lookback from its newest event to its oldest, a few pages at a time, repeatedly.

    Args:
        requester: Sends the requests.
    """

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._pages: _Pages | None = None
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
            self._pages = _pages(self._requester, start)
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
        return _oldest_first(new)

    async def _end(self) -> None:
        if self._pages is not None:
            self._duration = ceil(self._requester.clock.monotonic() - self._began_at)
            await self._pages.aclose()
            self._pages = None


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
            _oldest_first(new),
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
        async for page in _pages(self._requester, self._start, end):
            pages += 1
            found += page.objects
            # Events of one second stay together, however many they are.
            if page.has_more and pages == MAX_PAGES and end - self._start > 1:
                return None
        return found


async def _pages(requester: Requester, start: int, end: int | None = None) -> _Pages:
    """Pages, newest first, of the events created in [start, end)."""
    created = {"gte": start} if end is None else {"gte": start, "lt": end}
    request = ListRequest(
        EVENTS_PATH, params={"created": created}, by_time=True, collection_id=STRIPE_EVENTS
    )
    async for page in paginate(requester, request):
        yield replace(page, objects=usable_events(requester, page))


def _oldest_first(events: list[JsonObject]) -> list[JsonObject]:
    """Oldest first, each once; within a second Stripe's own order is kept."""
    once = {event["id"]: event for event in reversed(events)}
    return sorted(once.values(), key=_created)


def _created(event: JsonObject) -> int:
    return int(event["created"])
