"""A whole list, oldest first, many requests in flight.

Stripe lists newest first and cannot sort. Lists with a ``created`` filter are therefore cut into
time segments: each is read from its newest end downwards, several at a time, and handed on in
ascending order. A segment that turns out to hold more than a few pages is split where it stands,
so that widths follow the density of the data: bursts get narrow segments, empty years a wide one.

Which page to read is decided when Stripe's limits let a request leave, not when it begins to wait
for that: always one of the oldest segment that is not being read. So no more segments are begun
than it takes to keep the requests flowing, and what is read is handed on soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

from stripe_sync.client import Permit
from stripe_sync.errors import CursorVanished
from stripe_sync.extract.pages import PAGE_SIZE, Item, Page
from stripe_sync.extract.segments import Segment, second_after
from stripe_sync.records.canonical_json import JsonObject

IN_FLIGHT = 16
"""Requests at a time: enough for 25 a second where each takes six tenths of one."""

SEGMENT_PAGES = 28
"""Aimed-at size of a segment. Each one ends in a partly filled page, so smaller segments waste
requests and larger ones need memory."""

BUFFERED_BYTES = 110_000_000
"""Bound of what is held. Where objects are so large that it would hold back reading, segments
become smaller instead."""

FIRST_PAGES = 5
"""Pages read before the first split, so that how dense the list is does not rest on one page."""


class Reader(Protocol):
    """Reads one page."""

    async def permit(self) -> Permit:
        """Wait until a page may be read."""
        ...

    async def read(self, params: JsonObject, permit: Permit | None = None) -> Page:
        """Read the page that these filters and this cursor describe, when its turn comes.

        Args:
            params: Filters and cursor.
            permit: It has come: what ``permit`` gave, with no waiting since.
        """
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


_Read = tuple[Segment, Page]


class WindowedList:
    """Reads a list with a ``created`` filter, oldest first.

    Args:
        reader: Reads one page.
        since: Unix seconds; objects created earlier are left out. None for all.
        position: Where an earlier run stopped (``Slice.position``), None for the beginning.
        in_flight: Requests at a time.
        buffered: Objects held while older ones are still on their way.
        buffered_bytes: Bytes held by them; the bound of the memory.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        since: int | None = None,
        position: JsonObject | None = None,
        in_flight: int = IN_FLIGHT,
        buffered: int = 60_000,
        buffered_bytes: int = BUFFERED_BYTES,
    ) -> None:
        self._reader = reader
        self._in_flight = in_flight
        self._buffered = buffered
        self._buffered_bytes = buffered_bytes
        self._page_bytes = 0  # of the largest page so far
        start: int | None = position["gte"] if position else since
        after: str | None = position.get("after") if position else None
        self._segments = [Segment(start, None)]
        if start is not None and after is not None:
            self._segments = [second_after(start, after), Segment(start + 1, None)]
        self._tasks: set[asyncio.Task[_Read]] = set()
        self._waiting = 0  # tasks that wait for their turn

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
            head.items, head.size = [], 0
        return ready

    def _next_position(self) -> JsonObject | None:
        return {"gte": self._segments[0].start} if self._segments else None

    def _start_reads(self) -> None:
        """Let as many tasks wait for their turn as there are segments worth reading now."""
        held = sum(len(segment.items) for segment in self._segments)
        size = sum(segment.size for segment in self._segments)
        readable = index = 0
        while index < len(self._segments):
            reading = len(self._tasks) - self._waiting + readable
            room = held + PAGE_SIZE * reading < self._buffered
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
        first = segment.end is None and segment.pages < FIRST_PAGES and len(self._segments) == 1
        aim = self._segment_pages()
        if first or segment.remaining_pages() < 1.5 * aim:
            return []
        return segment.split(aim)

    def _segment_pages(self) -> float:
        """Size of the segments of which as many as are read at a time fit into the memory."""
        room = self._buffered / PAGE_SIZE
        if self._page_bytes:
            room = min(room, self._buffered_bytes / self._page_bytes)
        return max(1.0, min(SEGMENT_PAGES, room / (1.3 * self._in_flight)))

    async def _read(self) -> _Read:
        permit = await self._reader.permit()
        self._waiting -= 1
        # Each task that waits was started for one, so there is one.
        segment = next(segment for segment in self._segments if segment.readable)
        segment.reading = True
        try:
            page = await self._reader.read(segment.params(), permit)
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
