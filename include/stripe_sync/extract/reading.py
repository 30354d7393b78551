"""Reading a collection from its beginning to its end, whatever way Stripe offers it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from stripe_sync.catalog import Catalog, Collection, Retrieval
from stripe_sync.extract import partitions
from stripe_sync.extract.reader import CollectionPartitions
from stripe_sync.extract.windows import Slice
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.session import Session

NOTHING_TO_READ = "Stripe neither lists nor names any: they enter through mutations"
"""What a backfill says of collections that only the answer to a creation shows."""


def has_own_reader(row: Collection) -> bool:
    """Whether ``read`` reads a collection by itself; others come along with those."""
    return not (row.retrieval is Retrieval.PREVIEW and row.preview is None)


def derived_collections(catalog: Catalog, row: Collection) -> list[Collection]:
    """Collections that come along when a collection is read."""
    return [
        other
        for other in catalog.values()
        if not has_own_reader(other)
        and any(source.collection == row.id for source in other.sources)
    ]


def host_collections(catalog: Catalog, row: Collection) -> list[Collection]:
    """Collections with which a collection comes along."""
    return [other for other in catalog.values() if row in derived_collections(catalog, other)]


def dependency_level(catalog: Catalog, row: Collection) -> int:
    """When to read a collection: 1 by itself, later after those that it is read through.

    Out of order everything is found as well, with more requests.
    """
    through = {call.parent for call in row.lists} | {s.collection for s in row.sources}
    through.add(row.preview.parent if row.preview else None)
    stages = [
        dependency_level(catalog, catalog[name]) for name in through if name and name in catalog
    ]
    by_itself = row.retrieval in {Retrieval.EVENT_ONLY, Retrieval.CREATE_ONLY}
    if row.retrieval is Retrieval.TOP_LEVEL_LIST or by_itself:
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
    strategies = CollectionPartitions(session, row, since)
    parts = await strategies.walks()
    instead: Sequence[partitions.Partition] = await strategies.fallbacks()
    async with aclosing(partitions.run(parts, position, instead)) as slices:
        async for piece in slices:
            yield piece
