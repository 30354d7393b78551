"""The warehouse: PostgreSQL tables, loading, the streams."""

from __future__ import annotations

from stripe_sync.warehouse.facade import Warehouse
from stripe_sync.warehouse.families import Condition
from stripe_sync.warehouse.load import Loader
from stripe_sync.warehouse.progress import CollectionStatus
from stripe_sync.warehouse.read import StreamPart
from stripe_sync.warehouse.syncs import Sync

__all__ = ["CollectionStatus", "Condition", "Loader", "StreamPart", "Sync", "Warehouse"]
