"""A whole list, oldest first, many requests in flight.

Stripe lists newest first and cannot sort. Lists with a ``created`` filter are therefore cut into
time segments: each is read from its newest end downwards, several at a time, and handed on in
ascending order. A segment that turns out to hold more than a few pages is split where it stands,
so that widths follow the density of the data: bursts get narrow segments, empty years a wide one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol

from stripe_sync.errors import CursorVanished
from stripe_sync.extract.pages import PAGE_SIZE, Item, Page
from stripe_sync.jsonio import JsonObject

EARLIEST = 1_262_304_000
"""2010-01-01: Stripe holds nothing older. Only used to size segments, never as a filter."""

SEGMENT_PAGES = 12
"""Aimed-at size of a segment. Each one ends in a partly filled page, so smaller segments waste
requests and larger ones need memory."""

FIRST_PAGES = 10
"""Pages read before the first split: a list that is this short costs no request too many."""

MAX_PARTS = 8
"""Largest number of parts that a segment is split into at a time."""


class Reader(Protocol):
    """Reads one page."""

    async def read(self, params: JsonObject) -> Page:
        """Read the page that these filters and this cursor describe."""
        ...


@dataclass(frozen=True, slots=True)
class Slice:
    """Objects in stream order, and where to go on once they are stored.

    Attributes:
        items: Oldest first.
        position: Pass it as ``position`` to go on after this slice; None after the last one.
        covered: Unix time up to which everything was handed on, None where there is no such time.
    """

    items: list[Item]
    position: JsonObject | None
    covered: int | None = None


@dataclass(slots=True)
class _Segment:
    """A time range, read from its newest end downwards."""

    start: int | None  # inclusive
    end: int | None  # exclusive
    items: list[Item] = field(default_factory=list)  # newest first
    cursor: str | None = None
    reached: int | None = None  # created of the oldest item read
    per_second: float | None = None  # objects per second on the last page
    flat: bool = False  # the last page lies within one second
    pages: int = 0
    done: bool = False
    reading: bool = False
    one_second: bool = False  # cannot be split: handed on page by page, ties have no order

    def params(self) -> JsonObject:
        created = {}
        if self.start is not None:
            created["gte"] = self.start
        if self.end is not None:
            created["lt"] = self.end
        params: JsonObject = {"created": created} if created else {}
        if self.cursor is not None:
            params["starting_after"] = self.cursor
        return params

    def take(self, page: Page) -> None:
        self.pages += 1
        self.items += page.items
        # A page may be empty and still have more behind it only if Stripe dropped its items.
        self.done = not page.has_more or not page.items
        if page.items:
            newest, oldest = page.items[0].created, page.items[-1].created
            self.cursor = page.items[-1].id
            if oldest is not None and newest is not None:
                self.reached = oldest
                self.flat = newest == oldest
                self.per_second = len(page.items) / max(newest - oldest, 1)

    def lose_cursor(self) -> None:
        """Go on by time where the cursor's object was deleted; its second is read again."""
        self.cursor = None
        if self.reached is not None:
            self.end = self.reached + 1

    def remaining_pages(self) -> float:
        if self.reached is None or self.per_second is None:
            return 0.0
        span = self.reached - (EARLIEST if self.start is None else self.start)
        return max(span, 0) * self.per_second / PAGE_SIZE

    def split(self) -> list[_Segment]:
        """Cut what is unread into parts; this segment keeps the newest. Oldest first."""
        if self.reached is None:
            return []
        if self.flat:
            lower = [_Segment(self.start, self.reached)]
            self.start = self.reached
            return lower
        low = EARLIEST if self.start is None else self.start
        parts = min(MAX_PARTS, ceil(self.remaining_pages() / SEGMENT_PAGES), self.reached - low)
        if parts <= 1:
            return []
        bounds = [low + (self.reached - low) * i // parts for i in range(parts)]
        starts = [self.start, *bounds[1:]]
        lower = [_Segment(*pair) for pair in zip(starts, bounds[1:], strict=False)]
        self.start = bounds[-1]
        return lower

    def cut_last_second(self) -> _Segment | None:
        """Take the unread second out of a segment that has only that one left to read."""
        if self.one_second or self.reached is None or self.reached != self.start:
            return None
        newer = [i for i in self.items if i.created is not None and i.created > self.reached]
        ids = {item.id for item in newer}
        rest = _Segment(
            self.start,
            self.start + 1,
            items=[item for item in self.items if item.id not in ids],
            cursor=self.cursor,
            reached=self.reached,
            one_second=True,
        )
        self.start, self.items, self.done = self.reached + 1, newer, True
        return rest


class WindowedList:
    """Reads a list with a ``created`` filter, oldest first.

    Args:
        reader: Reads one page.
        since: Unix seconds; objects created earlier are left out. None for all.
        position: Where an earlier run stopped (``Slice.position``), None for the beginning.
        in_flight: Requests at a time.
        buffered: Objects held while older ones are still on their way; the bound of the memory.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        since: int | None = None,
        position: JsonObject | None = None,
        in_flight: int = 12,
        buffered: int = 20_000,
    ) -> None:
        self._reader = reader
        self._in_flight = in_flight
        self._buffered = buffered
        start: int | None = position["gte"] if position else since
        after: str | None = position.get("after") if position else None
        self._segments = [_Segment(start, None)]
        if start is not None and after is not None:
            self._segments = [_second(start, after), _Segment(start + 1, None)]
        self._tasks: dict[asyncio.Task[Page], _Segment] = {}

    async def slices(self) -> AsyncGenerator[Slice, None]:
        """Hand on everything in ascending order of ``created``.

        Raises:
            StripeError: As the client raises it; what was handed on before stays valid.
        """
        try:
            while self._segments:
                for ready in self._hand_on():
                    yield ready
                self._start_reads()
                if self._tasks:
                    await self._finish_reads()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hand_on(self) -> list[Slice]:
        ready = []
        while self._segments and self._segments[0].done:
            segment = self._segments.pop(0)
            ready.append(Slice(segment.items[::-1], self._next_position(), segment.end))
        if self._segments and self._segments[0].one_second and self._segments[0].items:
            head = self._segments[0]
            position = {"gte": head.start, "after": head.cursor}
            ready.append(Slice(head.items, position, head.start))
            head.items = []
        return ready

    def _next_position(self) -> JsonObject | None:
        return {"gte": self._segments[0].start} if self._segments else None

    def _start_reads(self) -> None:
        held = sum(len(segment.items) for segment in self._segments)
        index = 0
        while index < len(self._segments) and len(self._tasks) < self._in_flight:
            segment = self._segments[index]
            room = held + PAGE_SIZE * len(self._tasks) < self._buffered
            if segment.done or segment.reading or not (room or index == 0):
                index += 1
                continue
            if parts := self._parts(segment):
                self._segments[index:index] = parts
                continue
            segment.reading = True
            task = asyncio.create_task(self._read(segment))
            self._tasks[task] = segment
            index += 1

    def _parts(self, segment: _Segment) -> list[_Segment]:
        if last := segment.cut_last_second():
            return [last]
        first = segment.end is None and segment.pages < FIRST_PAGES and len(self._segments) == 1
        if first or segment.remaining_pages() < 1.5 * SEGMENT_PAGES:
            return []
        return segment.split()

    async def _read(self, segment: _Segment) -> Page:
        try:
            return await self._reader.read(segment.params())
        except CursorVanished:
            segment.lose_cursor()
            return await self._reader.read(segment.params())

    async def _finish_reads(self) -> None:
        finished, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            segment = self._tasks.pop(task)
            segment.reading = False
            segment.take(task.result())


def _second(start: int, after: str) -> _Segment:
    return _Segment(start, start + 1, cursor=after, reached=start, one_second=True)


class CursorList:
    """Reads a list without a ``created`` filter, in the order that Stripe gives: newest first.

    Args:
        reader: Reads one page.
        position: Where an earlier run stopped, None for the beginning.
    """

    def __init__(self, reader: Reader, *, position: JsonObject | None = None) -> None:
        self._reader = reader
        self._cursor: str | None = position["after"] if position else None

    async def slices(self) -> AsyncGenerator[Slice, None]:
        """Hand on page by page. A cursor whose object vanished restarts the walk.

        Raises:
            StripeError: As the client raises it; what was handed on before stays valid.
        """
        while True:
            params: dict[str, Any] = {"starting_after": self._cursor} if self._cursor else {}
            try:
                page = await self._reader.read(params)
            except CursorVanished:
                if self._cursor is None:
                    raise
                self._cursor = None
                continue
            more = page.has_more and bool(page.items)
            self._cursor = page.items[-1].id if page.items else None
            yield Slice(page.items, {"after": self._cursor} if more else None)
            if not more:
                return
