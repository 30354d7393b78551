"""Stripe events (GET /v1/events): what is new, what shows up late, what was missed.

Stripe's list is newest first and eventually consistent: an event may show up below events that
were read before. Three readings together miss nothing:

- ``newest`` reads from the top until known ground. In quiet times that is one short page, which
  covers the whole overlap.
- ``LookbackScan`` walks the overlap again and again, a few pages at a time, where it does not fit
  on the first page.
- ``EventCatchUp`` reads missed minutes or weeks, oldest first, in windows of bounded size.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stripe_sync.client import Priority, StripeApi
from stripe_sync.clock import Clock, to_unix
from stripe_sync.errors import EventCursorExpired
from stripe_sync.extract.pages import PAGE_SIZE
from stripe_sync.records.canonical_json import JsonObject

EVENTS_PATH = "/v1/events"

PAGES_AT_ONCE = 8
"""Pages that are read from the top before it is a case for catching up."""

SCANNED_PAGES = 2
"""Pages of the overlap that are read again with each poll."""

WIDEST = 86_400
"""Seconds that a window of catching up spans at most."""

OLDEST = 32 * 86_400
"""Seconds back to where Stripe surely has no events any more: it keeps them for 30 days."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Stripe events not known before.

    Attributes:
        events: Oldest first.
        asked_at: When they were asked for.
        answered_at: When they were there: whatever is asked for later shows nothing older.
        behind: Whether there are more below that were not read.
        whole: Whether everything down to the floor was read.
    """

    events: list[JsonObject]
    asked_at: datetime
    answered_at: datetime
    behind: bool = False
    whole: bool = True


async def newest_created(api: StripeApi, priority: Priority = Priority.LIVE) -> int:
    """``created`` of the newest Stripe event, 0 when there is none within retention.

    Raises:
        StripeError: As the client raises it.
    """
    page = await api.get(EVENTS_PATH, params={"limit": 1}, priority=priority)
    return int(page["data"][0]["created"]) if page["data"] else 0


async def newest(api: StripeApi, clock: Clock, *, known: Container[str], floor: int) -> EventBatch:
    """Read from the top down to known ground.

    Args:
        api: The client.
        clock: Tells when a request is sent.
        known: Ids of Stripe events read before, at least those created at ``floor`` or later.
        floor: Unix seconds; events created earlier are not looked for.

    Raises:
        StripeError: As the client raises it.
    """
    asked_at = answered_at = clock.now()
    found: list[JsonObject] = []
    read = 0
    async for events, more in _pages(api, floor, None):
        read += 1
        if read == 1:
            answered_at = clock.now()
        fresh = [event for event in events if event["id"] not in known]
        found += fresh
        if not more:
            return EventBatch(_in_order(found), asked_at, answered_at)
        # Below what is known only late ones can be new, and those are found in the overlap.
        if events[-1]["id"] in known:
            break
        if read == PAGES_AT_ONCE:
            return EventBatch([], asked_at, answered_at, behind=True, whole=False)
    return EventBatch(_in_order(found), asked_at, answered_at, whole=False)


class LookbackScan:
    """Walks through the overlap from the top to the floor, a little at a time, over and over.

    Args:
        api: The client.
        clock: Tells when a request is sent.
    """

    def __init__(self, api: StripeApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._walk: AsyncGenerator[tuple[list[JsonObject], bool], None] | None = None
        self._began = 0
        self._took = 0

    def reach(self, floor: int) -> int:
        """How far down the next walk looks for what belongs above a floor.

        While a walk takes its time the events that it looks for grow older.
        """
        return floor - self._took

    async def step(self, *, known: Container[str], floor: int) -> list[JsonObject]:
        """Read the next few pages; what is new on them, oldest first.

        Args:
            known: Ids of Stripe events read before.
            floor: Unix seconds; where a walk that begins now ends.

        Raises:
            StripeError: As the client raises it; the walk then begins anew.
        """
        if self._walk is None:
            self._began = to_unix(self._clock.now())
            self._walk = _pages(self._api, floor, None)
        found: list[JsonObject] = []
        try:
            for _ in range(SCANNED_PAGES):
                events, more = await anext(self._walk)
                found += [event for event in events if event["id"] not in known]
                if not more:
                    await self._end()
                    break
        except BaseException:
            await self._end()
            raise
        return _in_order(found)

    async def _end(self) -> None:
        if self._walk is not None:
            self._took = max(0, to_unix(self._clock.now()) - self._began)
            await self._walk.aclose()
            self._walk = None


class EventCatchUp:
    """Reads what was missed, oldest first: windows of time as wide as a few pages hold.

    Args:
        api: The client.
        clock: Tells the time that is to be reached.
        floor: Unix seconds at which to begin.
    """

    def __init__(self, api: StripeApi, clock: Clock, floor: int) -> None:
        self._api = api
        self._clock = clock
        self._from = max(floor, to_unix(clock.now()) - OLDEST)
        self._width = WIDEST

    async def step(self, known: Container[str]) -> EventBatch:
        """Read the next window that holds anything.

        Args:
            known: Ids of Stripe events read before.

        Returns:
            What is new in it; ``behind`` says whether there are later windows.

        Raises:
            StripeError: As the client raises it; the next step reads the same window.
        """
        while True:
            asked_at = self._clock.now()
            end = min(self._from + self._width, to_unix(asked_at) + 1)
            events = await self._window(end)
            answered_at = self._clock.now()
            if events is None:
                self._width = max(1, (end - self._from) // 4)
                continue
            self._from = end
            if len(events) < PAGE_SIZE * PAGES_AT_ONCE // 4:
                self._width = min(WIDEST, self._width * 2)
            fresh = [event for event in events if event["id"] not in known]
            behind = end <= to_unix(asked_at)
            if fresh or not behind:
                break
        return EventBatch(_in_order(fresh), asked_at, answered_at, behind, whole=not behind)

    async def _window(self, end: int) -> list[JsonObject] | None:
        """All Stripe events up to a time; None where they are too many for one window."""
        found: list[JsonObject] = []
        read = 0
        async for events, more in _pages(self._api, self._from, end):
            read += 1
            found += events
            # Events of one second stay together, however many they are.
            if more and read == PAGES_AT_ONCE and end - self._from > 1:
                return None
        return found


async def _pages(
    api: StripeApi, floor: int, end: int | None
) -> AsyncGenerator[tuple[list[JsonObject], bool], None]:
    """Pages from the top, and whether there are more below."""
    created = {"gte": floor} if end is None else {"gte": floor, "lt": end}
    params: dict[str, Any] = {"limit": PAGE_SIZE, "created": created}
    while True:
        try:
            page = await api.get(EVENTS_PATH, params=params, priority=Priority.LIVE)
        except EventCursorExpired:
            # The last event of the page before has left retention, and so did all below it.
            yield [], False
            return
        events: list[JsonObject] = page["data"]
        more = bool(page["has_more"] and events)
        yield events, more
        if not more:
            return
        params = {**params, "starting_after": events[-1]["id"]}


def _in_order(events: list[JsonObject]) -> list[JsonObject]:
    """Oldest first, each once; within a second Stripe's own order is kept."""
    once = {event["id"]: event for event in reversed(events)}
    return sorted(once.values(), key=lambda event: int(event["created"]))
