"""Reading a collection from its beginning to its end, whatever way Stripe offers it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from stripe_sync.catalog import Catalog, Collection, Obtained
from stripe_sync.extract.windows import Slice
from stripe_sync.jsonio import JsonObject
from stripe_sync.sync import walks
from stripe_sync.sync.session import Session
from stripe_sync.sync.strategies import Strategies

NOTHING_TO_READ = "Stripe neither lists nor names any: they enter through mutations"
"""What a backfill says of collections that only the answer to a creation shows."""


def obtainable(row: Collection) -> bool:
    """Whether ``read`` reads a collection by itself; others come along with those."""
    return not (row.obtained is Obtained.PREVIEW and row.preview is None)


def carried(catalog: Catalog, row: Collection) -> list[Collection]:
    """Collections that come along when a collection is read."""
    return [
        other
        for other in catalog.values()
        if not obtainable(other) and any(source.collection == row.id for source in other.sources)
    ]


def carriers(catalog: Catalog, row: Collection) -> list[Collection]:
    """Collections with which a collection comes along."""
    return [other for other in catalog.values() if row in carried(catalog, other)]


def stage(catalog: Catalog, row: Collection) -> int:
    """When to read a collection: 1 by itself, later after those that it is read through.

    Out of order everything is found as well, with more requests.
    """
    through = {call.parent for call in row.lists} | {s.collection for s in row.sources}
    through.add(row.preview.parent if row.preview else None)
    stages = [stage(catalog, catalog[name]) for name in through if name and name in catalog]
    by_itself = row.obtained in {Obtained.EVENT_ONLY, Obtained.CREATE_ONLY}
    if row.obtained is Obtained.TOP_LEVEL_LIST or by_itself:
        return 1
    return 1 + max(stages, default=1)


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
    strategies = Strategies(session, row, since)
    parts = await strategies.walks()
    instead: Sequence[walks.Walk] = await strategies.fallbacks()
    async with aclosing(walks.run(parts, position, instead)) as slices:
        async for piece in slices:
            yield piece
