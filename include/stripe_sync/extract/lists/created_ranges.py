"""One time range of a list, read from its newest end downwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil

from stripe_sync.errors import NoProgress
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.lists.pages import Item, Page
from stripe_sync.extract.pagination import EARLIEST, MAX_RESTARTS
from stripe_sync.records.canonical_json import JsonObject

MAX_PARTS = 8
"""Largest number of parts that a segment is split into at a time."""

SAME_DENSITY = 4.0
"""A part is as dense as expected if it has at least one in so many of the objects expected."""


@dataclass(slots=True, eq=False)
class Segment:
    """A time range, and the part of it that has been read."""

    start: int | None  # inclusive
    end: int | None  # exclusive
    expected: float | None = None  # objects per second, by what was read beside it
    in_burst: bool = False  # whether that is the density of a burst
    items: list[Item] = field(default_factory=list)  # newest first
    cursor: str | None = None
    top: int | None = None  # its newest end; created of its newest item where end is None
    reached: int | None = None  # created of the oldest item read
    per_second: float | None = None  # objects per second on the last page
    flat_pages: int = 0  # the last so many pages lie within one second
    objects: int = 0
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
        self.objects += len(page.items)
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
            self._take_times(times, is_last=not page.has_more)

    def _take_times(self, times: list[int], *, is_last: bool) -> None:
        newest, oldest = times[0], times[-1]
        if self.top is None:
            self.top = newest if self.end is None else self.end
        # A single object does not show how dense the list is.
        if len(times) > 1 or is_last:
            same_second = newest == oldest == (self.reached or newest)
            self.flat_pages = self.flat_pages + 1 if same_second else int(newest == oldest)
            self.per_second = len(times) / max(newest - oldest, 1)
        self.reached = oldest

    def pass_over(self, before: int) -> None:
        """Continue with what is older, without a cursor: Stripe cannot return the next object."""
        self.cursor, self.end, self.reached = None, before, before
        self.flat_pages, self.one_second = 0, False
        self.done = self.start is not None and before <= self.start

    @property
    def mean_per_second(self) -> float:
        """Objects per second of all that was read, gaps included; 0 before the first page."""
        if self.top is None or self.reached is None:
            return 0.0
        return self.objects / max(self.top - self.reached, 1)

    @property
    def as_expected(self) -> bool:
        """Whether what was read is as dense as what was read beside it."""
        return self.expected is None or SAME_DENSITY * self.mean_per_second >= self.expected

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

    @property
    def sure_per_second(self) -> float:
        """The lower one of two densities, that of the last page and that of all that was read.

        A burst of objects says little about the years before it, nor an hour about the night.
        """
        return min(self.per_second or 0.0, self.mean_per_second)

    def remaining_pages(self, density: float) -> float:
        """Estimate of the unread pages, by objects per second; 0 before the first page."""
        if self.reached is None:
            return 0.0
        span = self.reached - (EARLIEST if self.start is None else self.start)
        return max(span, 0) * density / PAGE_SIZE

    def split(
        self, aim: float, most: int, density: float, *, in_burst: bool = False
    ) -> list[Segment]:
        """Cut the unread range into parts of at least about ``aim`` pages; keeps the newest.

        Where there would be more parts, or nobody knows where the objects end, the parts grow with
        their distance.

        Args:
            aim: Pages.
            most: Largest number of parts.
            density: Objects per second that are expected.
            in_burst: Whether this is the density of a burst.

        Returns:
            The others, oldest first.
        """
        if self.reached is None or not density:
            return []
        low = EARLIEST if self.start is None else self.start
        span, most = self.reached - low, min(most, MAX_PARTS)
        parts = min(ceil(self.remaining_pages(density) / aim), span)
        if self.start is None or parts > most:
            step = max(1, int(aim * PAGE_SIZE / density))
            distances = accumulate(step * 2**number for number in range(most - 1))
            bounds = [self.reached - each for each in distances if each < span][::-1]
        else:
            bounds = [low + span * number // parts for number in range(1, parts)]
        if not bounds:
            return []
        starts = [self.start, *bounds]
        lower = [
            Segment(*pair, expected=density, in_burst=in_burst)
            for pair in zip(starts, bounds, strict=False)
        ]
        self.start = bounds[-1]
        return lower

    def split_last_second(self, least: int) -> list[Segment]:
        """Make a segment of what is older than the second that the last pages lie in.

        Args:
            least: Smallest number of these pages.
        """
        if self.flat_pages < least or self.start == self.reached:
            return []
        older = Segment(self.start, self.reached)
        self.start = self.reached
        return [older]

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
            top=self.reached + 1,
            reached=self.reached,
            one_second=True,
        )
        self.start, self.items, self.done = self.reached + 1, newer, True
        return rest


def second_after(start: int, after: str) -> Segment:
    """The rest of one second, from below a cursor."""
    return Segment(start, start + 1, cursor=after, reached=start, one_second=True)
