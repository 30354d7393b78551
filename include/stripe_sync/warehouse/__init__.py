"""The warehouse: PostgreSQL tables, loading, the streams."""

from __future__ import annotations

from stripe_sync.warehouse.reading.record_queries import Condition
from stripe_sync.warehouse.reading.streams import StreamPart
from stripe_sync.warehouse.state.collections import CollectionStatus
from stripe_sync.warehouse.state.syncs import Sync
from stripe_sync.warehouse.warehouse import Warehouse
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

__all__ = ["BatchWriter", "CollectionStatus", "Condition", "StreamPart", "Sync", "Warehouse"]
