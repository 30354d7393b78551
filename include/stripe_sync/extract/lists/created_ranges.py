"""One time range of a list, read from its newest end downwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from stripe_sync.errors import NoProgress
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.lists.pages import Item, Page
from stripe_sync.extract.pagination import EARLIEST, MAX_RESTARTS
from stripe_sync.records.canonical_json import JsonObject

MAX_PARTS = 8
"""Largest number of parts that a segment is split into at a time."""


@dataclass(slots=True)
class Segment:
    """A time range, and the part of it that has been read."""

    start: int | None  # inclusive
    end: int | None  # exclusive
    items: list[Item] = field(default_factory=list)  # newest first
    cursor: str | None = None
    reached: int | None = None  # created of the oldest item read
    per_second: float | None = None  # objects per second on the last page
    flat: bool = False  # the last page lies within one second
    pages: int = 0
    size: int = 0  # bytes that the items take
    done: bool = False
    reading: bool = False
    one_second: bool = False  # cannot be split: emitted page by page, ties have no order
    cursors: set[str] = field(default_factory=set)  # all of its pages, since it last lost one
    lost_cursors: int = 0

    @property
    def readable(self) -> bool:
        """Whether its next page may be requested now."""
        return not (self.done or self.reading)

    def params(self) -> JsonObject:
        """Filters and cursor of the next page."""
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
        """Add the next page.

        Raises:
            NoProgress: Its pages repeat.
        """
        self.pages += 1
        self.items += page.items
        self.size += page.size
        self.done = not page.has_more
        if page.before is not None:
            self.pass_over(page.before)
            return
        if page.cursor in self.cursors:
            message = f"the pages up to {page.cursor} come again: the list never ends"
            raise NoProgress(message)
        if page.cursor:
            self.cursor = page.cursor
            self.cursors.add(page.cursor)
        times = [item.created for item in page.items if item.created is not None]
        if times:
            self.reached = times[-1]
            # A single object does not show how dense the list is.
            if len(times) > 1 or not page.has_more:
                self.flat = times[0] == times[-1]
                self.per_second = len(times) / max(times[0] - times[-1], 1)

    def pass_over(self, before: int) -> None:
        """Continue with what is older, without a cursor: Stripe cannot return the next object."""
        self.cursor, self.end, self.reached = None, before, before
        self.flat, self.one_second = False, False
        self.done = self.start is not None and before <= self.start

    def lose_cursor(self) -> None:
        """Continue by time after the object at the cursor was deleted; its second is read again.

        Raises:
            NoProgress: Stripe accepts none of its cursors.
        """
        self.lost_cursors += 1
        if self.lost_cursors > MAX_RESTARTS:
            message = f"Stripe does not accept {self.cursor} as a cursor, nor {MAX_RESTARTS} others"
            raise NoProgress(message)
        self.cursor = None
        self.cursors.clear()
        if self.reached is not None:
            self.end = self.reached + 1

    def remaining_pages(self) -> float:
        """Estimate of the unread pages, by the density of the last one; 0 before the first."""
        if self.reached is None or self.per_second is None:
            return 0.0
        span = self.reached - (EARLIEST if self.start is None else self.start)
        return max(span, 0) * self.per_second / PAGE_SIZE

    def split(self, aim: float) -> list[Segment]:
        """Cut the unread range into parts of about ``aim`` pages; this one keeps the newest.

        Returns:
            The others, oldest first.
        """
        if self.reached is None:
            return []
        if self.flat:
            lower = [Segment(self.start, self.reached)]
            self.start = self.reached
            return lower
        low = EARLIEST if self.start is None else self.start
        parts = min(MAX_PARTS, ceil(self.remaining_pages() / aim), self.reached - low)
        if parts <= 1:
            return []
        bounds = [low + (self.reached - low) * i // parts for i in range(parts)]
        starts = [self.start, *bounds[1:]]
        lower = [Segment(*pair) for pair in zip(starts, bounds[1:], strict=False)]
        self.start = bounds[-1]
        return lower

    def cut_last_second(self) -> Segment | None:
        """Move the unread second of a segment that has only this one left into a new segment."""
        if self.one_second or self.reached is None or self.reached != self.start:
            return None
        newer = [i for i in self.items if i.created is not None and i.created > self.reached]
        ids = {item.id for item in newer}
        rest = Segment(
            self.start,
            self.start + 1,
            items=[item for item in self.items if item.id not in ids],
            cursor=self.cursor,
            reached=self.reached,
            one_second=True,
        )
        self.start, self.items, self.done = self.reached + 1, newer, True
        return rest


def second_after(start: int, after: str) -> Segment:
    """The rest of one second, from below a cursor."""
    return Segment(start, start + 1, cursor=after, reached=start, one_second=True)
