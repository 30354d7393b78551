"""What a sync lacks: whether it is to be reloaded from the lake, and what is to be backfilled."""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sync.accounts.syncs import find_sync
from stripe_sync.catalog import load_catalog
from stripe_sync.errors import SyncNotFound
from stripe_sync.lake import Lake, LakeReader
from stripe_sync.warehouse.warehouse import open_warehouse


@dataclass(frozen=True, slots=True)
class MissingData:
    """What a sync lacks.

    Attributes:
        reload: The lake has its files, but the warehouse does not know it: reload it first.
        collections: Short names of its collections whose backfill never ended.
        never_backfilled: No collection was ever backfilled.
    """

    reload: bool
    collections: tuple[str, ...]
    never_backfilled: bool


def find_missing_data(warehouse_url: str, lake_url: str, sync: str) -> MissingData:
    """What a sync lacks; one that does not exist lacks everything. Asks Stripe nothing.

    Args:
        warehouse_url: The warehouse.
        lake_url: The lake.
        sync: Its name.

    Raises:
        WarehouseError: The warehouse cannot be reached.
        LakeError: The lake cannot be read.

    Example:
        >>> from stripe_sync import find_missing_data
        >>> missing = find_missing_data(connections.warehouse_url, connections.lake_url, "other")
        >>> missing.reload, missing.never_backfilled
        (False, True)
    """
    catalog = load_catalog()
    with open_warehouse(warehouse_url) as warehouse:
        try:
            found = find_sync(warehouse, sync)
        except SyncNotFound:
            names = tuple(each.name for each in catalog.values())
            reload = bool(LakeReader(Lake(lake_url, sync)).collections())
            return MissingData(reload, names, never_backfilled=True)
        states = {state.collection_id: state for state in warehouse.collections.states(found.name)}
    wanted = [catalog[name] for name in found.collections or catalog if name in catalog]
    missing = [
        each.name
        for each in wanted
        if each.id not in states or states[each.id].status.is_unfinished
    ]
    return MissingData(
        reload=False, collections=tuple(missing), never_backfilled=len(missing) == len(wanted)
    )
