"""How a sync stands, per collection."""

from __future__ import annotations

from collections.abc import Sequence

from stripe_sync.warehouse import CollectionStatus, Warehouse


def sync_status(warehouse_url: str, sync_name: str) -> Sequence[CollectionStatus]:
    """The state of every collection of a sync.

    Args:
        warehouse_url: ``postgresql://…``.
        sync_name: The sync.

    Raises:
        ConfigurationError: There is no such sync.
        WarehouseError: The warehouse cannot be reached.
    """
    warehouse = Warehouse(warehouse_url)
    try:
        return warehouse.collections.statuses(sync_name)
    finally:
        warehouse.close()
