"""Finds an object that Stripe cannot return, in a list that can be filtered by creation time.

A page of one object that does not arrive hides the cursor of the next page. The filter finds the
second in which the object was created; what is older can be read from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

ReadOne = Callable[[int, int, str | None], Awaitable[list[Any] | None]]
"""Reads one object created in [start, end), the newest one or the one above an id, of all that are
newer than that; None where it does not arrive."""


@dataclass(frozen=True, slots=True)
class UnreadableObject:
    """An object that Stripe cannot return.

    Attributes:
        created: Unix seconds.
        older: Objects of the same second that are older, newest first.
    """

    created: int
    older: list[Any]


async def find_unreadable(
    read: ReadOne, start: int, end: int, after: str | None, known: Collection[int] = ()
) -> UnreadableObject | None:
    """Find the newest object that does not arrive.

    Args:
        read: Reads one object.
        start: Unix seconds; where the list ends.
        end: Unix seconds; it was created before.
        after: Id of the object above it, where there is one.
        known: Unix seconds of unreadable objects that were found earlier.

    Returns:
        None where nothing arrives at all, so that no object is the cause.
    """
    if await read(0, 1, None) is None:
        return None
    for created in sorted((each for each in known if start <= each < end), reverse=True):
        if await read(start, created, None) is not None and await _is_last(read, created, end):
            return UnreadableObject(created, await _older(read, start, created, after))
    low = start
    # Another object below it may have been found; then there is still one in the rest.
    while True:
        created = await _highest_readable(read, low, end)
        if await _is_last(read, created, end):
            return UnreadableObject(created, await _older(read, start, created, after))
        low = created + 1


async def _is_last(read: ReadOne, created: int, end: int) -> bool:
    """Whether no object that was created later fails to arrive."""
    return created + 1 >= end or await read(created + 1, end, None) is not None


async def _highest_readable(read: ReadOne, low: int, high: int) -> int:
    """The latest time below which the newest object arrives; none is below the lowest."""
    if await read(low, high, None) is not None:
        return high
    start = low
    while high - low > 1:
        middle = (low + high) // 2
        if await read(start, middle, None) is not None:
            low = middle
        else:
            high = middle
    return low


async def _older(read: ReadOne, start: int, created: int, after: str | None) -> list[Any]:
    """The objects of its second below it, read upwards from the seconds before."""
    found: list[Any] = []
    anchor = _id(await read(start, created, None))
    while anchor:
        above = await read(start, created + 1, anchor)
        name = _id(above)
        if not above or name in {None, after}:
            break
        found.insert(0, above[0])
        anchor = name
    return found


def _id(page: list[Any] | None) -> str | None:
    name = page[0].get("id") if page and isinstance(page[0], dict) else None
    return name if isinstance(name, str) else None
