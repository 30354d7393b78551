"""A whole list, oldest first, with many requests in flight.

Stripe returns lists newest first and cannot sort them. A list with a ``created`` filter is
therefore cut into time segments: each is read from its newest end downwards, several at a time,
and emitted in ascending order. A segment that holds more than a few pages is split, so that the
widths follow the density of the data: bursts get narrow segments, empty years a wide one.

The page to read is chosen when the rate limit lets a request be sent, not when it begins to wait
for that: always one of the oldest segment that is not being read. So no more segments are begun
than keep the requests in flight, and what is read is emitted soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from stripe_sync.client import Permit
from stripe_sync.errors import CursorVanished
from stripe_sync.extract.lists.created_ranges import MAX_PARTS, SAME_DENSITY, Segment, second_after
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.lists.pages import Item, ListReader, Page
from stripe_sync.extract.pagination import paginate
from stripe_sync.records.canonical_json import JsonObject

IN_FLIGHT = 16
"""Requests at a time: enough for 25 a second where each takes six tenths of one."""

SEGMENT_PAGES = 28
"""Aimed-at size of a segment. Each one ends in a partly filled page, so smaller segments waste
requests and larger ones need memory."""

BUFFERED_BYTES = 110_000_000
"""Bound of the memory for objects that wait for older ones. Objects so large that it would slow
down reading make segments smaller instead."""

FIRST_PAGES = 5
"""Pages read before the first split, so that how dense the list is does not rest on one page."""

FLAT_PAGES = 10
"""Pages within one second after which that second becomes a segment of its own in any case: its
last page is partly filled, which is little of so many."""

WASTE = 0.04
"""Share of the requests that may return nothing new, where estimates have turned out wrong."""


class PageReader(Protocol):
    """Reads pages of a list in any order, as ``ListReader`` does."""

    async def permit(self) -> Permit:
        """Wait until a page may be read."""
        ...

    async def read(
        self, cursor: JsonObject, permit: Permit | None = None, *, reached: int | None = None
    ) -> Page:
        """Read the page at these filters and this cursor; with a permit, at once."""
        ...


@dataclass(frozen=True, slots=True)
class Slice:
    """Objects in stream order.

    Attributes:
        items: Oldest first.
        cursor: Where to continue once the items are stored; None after the last slice.
        covered: Unix seconds up to which everything was emitted, None for lists without time.
        share: Share of all objects to read that was emitted, 0 to 1; None where unknown.
    """

    items: list[Item]
    cursor: JsonObject | None
    covered: int | None = None
    share: float | None = None


_Read = tuple[Segment, Page]


class WindowedList:
    """Reads a list with a ``created`` filter, oldest first.

    Args:
        reader: Reads the pages.
        since: Unix seconds; objects created earlier are left out. None for all.
        cursor: Where an earlier run stopped (``Slice.cursor``), None for the beginning.
        in_flight: Requests at a time.
        buffered: Largest number of objects that wait for older ones.
        buffered_bytes: Largest number of bytes that they take.
    """

    def __init__(
        self,
        reader: PageReader,
        *,
        since: int | None = None,
        cursor: JsonObject | None = None,
        in_flight: int = IN_FLIGHT,
        buffered: int = 60_000,
        buffered_bytes: int = BUFFERED_BYTES,
    ) -> None:
        self._reader = reader
        self._in_flight = in_flight
        self._buffered = buffered
        self._buffered_bytes = buffered_bytes
        self._page_bytes = 0  # of the largest page so far
        start: int | None = cursor["gte"] if cursor else since
        after: str | None = cursor.get("after") if cursor else None
        self._segments = [Segment(start, None)]
        if start is not None and after is not None:
            self._segments = [second_after(start, after), Segment(start + 1, None)]
        self._tasks: set[asyncio.Task[_Read]] = set()
        self._waiting = 0  # tasks that wait for a permit
        self._pages = 0  # read
        self._objects = 0  # read
        self._trusted_parts = 1  # that may be begun before one of them was read
        self._bursts_last = True  # longer than the pages that show them
        self._is_full = False  # no room for more objects that wait for older ones

    async def slices(self) -> AsyncGenerator[Slice, None]:
        """Everything, in ascending order of ``created``.

        Raises:
            StripeError: As the client raises it; the slices before stay valid.
        """
        try:
            while self._segments:
                for ready in self._take_ready():
                    yield ready
                self._start_reads()
                if self._tasks:
                    await self._finish_reads()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take_ready(self) -> list[Slice]:
        ready = []
        while self._segments and self._segments[0].done:
            segment = self._segments.pop(0)
            ready.append(Slice(segment.items[::-1], self._next_cursor(), segment.end))
        if self._segments and self._segments[0].one_second and self._segments[0].items:
            head = self._segments[0]
            cursor = {"gte": head.start, "after": head.cursor}
            ready.append(Slice(head.items, cursor, head.start))
            head.items, head.size = [], 0
        return ready

    def _next_cursor(self) -> JsonObject | None:
        return {"gte": self._segments[0].start} if self._segments else None

    def _start_reads(self) -> None:
        """Let as many tasks wait for a permit as there are segments to read now."""
        buffered = sum(len(segment.items) for segment in self._segments)
        size = sum(segment.size for segment in self._segments)
        self._is_full = buffered >= self._buffered or size >= self._buffered_bytes
        readable = index = 0
        while index < len(self._segments):
            reading = len(self._tasks) - self._waiting + readable
            room = buffered + PAGE_SIZE * reading < self._buffered
            room = room and size + self._page_bytes * reading < self._buffered_bytes
            if reading >= self._in_flight or not (room or index == 0):
                break
            segment = self._segments[index]
            if not segment.readable:
                index += 1
                continue
            if parts := self._parts(segment):
                self._segments[index:index] = parts
                continue
            readable += 1
            index += 1
        while self._waiting < readable:
            self._waiting += 1
            self._tasks.add(asyncio.create_task(self._read()))

    def _parts(self, segment: Segment) -> list[Segment]:
        if last := segment.cut_last_second():
            return [last]
        if parts := segment.split_last_second(1 if self._is_affordable() else FLAT_PAGES):
            return parts
        aim, density = self._segment_pages(), segment.per_second or 0.0
        first = segment.end is None and segment.pages < FIRST_PAGES and len(self._segments) == 1
        if first or segment.remaining_pages(density) < 1.5 * aim:
            return []
        older = self._segments[: self._segments.index(segment)]
        new = self._trusted_parts - sum(each.pages == 0 for each in older)
        sure = segment.sure_per_second
        affordable = self._is_affordable()
        if density > SAME_DENSITY * sure and (affordable or (new > 0 and self._bursts_last)):
            return segment.split(aim, 1 + max(1, new), density, in_burst=True)
        if new > 0 and segment.remaining_pages(sure) >= 1.5 * aim:
            return segment.split(aim, 1 + new, sure)
        return segment.split(aim, 2, density) if affordable else []

    def _is_affordable(self) -> bool:
        """Whether a part that turns out to be empty costs few requests of those so far."""
        open_parts = sum(not each.done for each in self._segments)
        wasted = self._pages - self._objects / PAGE_SIZE
        return self._is_full or wasted + open_parts / 2 + 1 <= WASTE * self._pages

    def _learn(self, segment: Segment) -> None:
        """Trust estimates more after a part that is as dense as expected, less after another."""
        if segment.pages != 1 or segment.expected is None:
            return
        if segment.in_burst:
            self._bursts_last = segment.as_expected
        elif segment.as_expected:
            self._trusted_parts = min(max(1, 2 * self._trusted_parts), MAX_PARTS - 1)
        elif segment.start is not None or not segment.done:
            self._trusted_parts = 0

    def _segment_pages(self) -> float:
        """Pages per segment: as many segments as are read at a time must fit into the memory."""
        room = self._buffered / PAGE_SIZE
        if self._page_bytes:
            room = min(room, self._buffered_bytes / self._page_bytes)
        return max(1.0, min(SEGMENT_PAGES, room / (1.3 * self._in_flight)))

    async def _read(self) -> _Read:
        permit = await self._reader.permit()
        self._waiting -= 1
        # One task was started for each readable segment, so there is one.
        segment = next(segment for segment in self._segments if segment.readable)
        segment.reading = True
        try:
            page = await self._reader.read(segment.params(), permit, reached=segment.reached)
        except CursorVanished:
            segment.lose_cursor()
            page = await self._reader.read(segment.params())
        return segment, page

    async def _finish_reads(self) -> None:
        finished, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            segment, page = task.result()
            segment.reading = False
            self._page_bytes = max(self._page_bytes, page.size)
            segment.take(page)
            self._pages += 1
            self._objects += len(page.items)
            self._learn(segment)


async def cursor_list(reader: ListReader, after: str | None) -> AsyncGenerator[Slice, None]:
    """Read a list without a ``created`` filter, in Stripe's order: newest first.

    A deleted cursor restarts the list (``paginate``): its objects are then emitted once more.

    Args:
        reader: Reads the pages.
        after: Id of the object to continue after, None for the beginning.

    Raises:
        StripeError: As the client raises it; the slices before stay valid.
    """
    async for page in paginate(reader.requester, reader.request, after=after):
        read = await reader.extract(page)
        yield Slice(read.items, {"after": read.cursor} if page.has_more else None)
