"""The warehouse: PostgreSQL tables, batch writing, state of the syncs, the streams."""

from __future__ import annotations

from stripe_sync.warehouse.oauth_authorizations import OAuthAuthorization
from stripe_sync.warehouse.reading.activity import (
    FreshnessPoint,
    ReadsPoint,
    RequestPoint,
    SyncFigures,
)
from stripe_sync.warehouse.reading.streams import StreamPart
from stripe_sync.warehouse.reading.sync_statuses import (
    CollectionStatusRow,
    GapStatus,
    KeyState,
    PollingStatus,
)
from stripe_sync.warehouse.state.collections import CollectionState
from stripe_sync.warehouse.state.problems import SyncProblem
from stripe_sync.warehouse.state.syncs import Sync
from stripe_sync.warehouse.warehouse import Warehouse
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

__all__ = [
    "BatchWriter",
    "CollectionState",
    "CollectionStatusRow",
    "FreshnessPoint",
    "GapStatus",
    "KeyState",
    "OAuthAuthorization",
    "PollingStatus",
    "ReadsPoint",
    "RequestPoint",
    "StreamPart",
    "Sync",
    "SyncFigures",
    "SyncProblem",
    "Warehouse",
]
