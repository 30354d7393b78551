"""Reading a collection from its beginning to its end, whatever way Stripe offers it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from stripe_sync.catalog import Collection, ListCall, Obtained
from stripe_sync.extract.pages import PageReader
from stripe_sync.extract.windows import CursorList, Slice, WindowedList
from stripe_sync.jsonio import JsonObject
from stripe_sync.sync.session import Session


def obtainable(row: Collection) -> bool:
    """Whether ``read`` knows how to obtain a collection."""
    return row.obtained is Obtained.TOP_LEVEL_LIST


async def read(
    session: Session, row: Collection, *, since: int | None, position: JsonObject
) -> AsyncGenerator[Slice, None]:
    """Read one part of a collection after the other.

    Args:
        session: The open sync.
        row: The collection.
        since: Unix seconds; leave out objects created earlier, where the list can.
        position: Where an earlier run stopped (``Slice.position``), empty for the beginning.

    Raises:
        StripeError: As the client raises it; what was handed on before stays valid.
    """
    parts = _parts(row)
    first = position.get("part", 0)
    for number in range(first, len(parts)):
        call, variant = parts[number]
        resume = position.get("list") if number == first else None
        listed = _list(session, row, call, variant, since, resume)
        async with aclosing(listed.slices()) as slices:
            async for piece in slices:
                after: JsonObject = {"part": number, "list": piece.position}
                if piece.position is None:
                    after = {"part": number + 1}
                yield replace(piece, position=after)


def _parts(row: Collection) -> list[tuple[ListCall, dict[str, str]]]:
    """The lists, and variants of lists, that together are the collection."""
    return [
        (call, variant)
        for call in row.lists
        if call.parent is None
        for variant in call.variants or ({},)
    ]


def _list(  # noqa: PLR0917 - a call's parts, in their order
    session: Session,
    row: Collection,
    call: ListCall,
    variant: dict[str, str],
    since: int | None,
    resume: JsonObject | None,
) -> WindowedList | CursorList:
    reader = PageReader(
        session.api, row, call, shaper=session.shaper(row), clock=session.clock, variant=variant
    )
    if not call.created_filter:
        return CursorList(reader, position=resume)
    return WindowedList(reader, since=since, position=resume)
