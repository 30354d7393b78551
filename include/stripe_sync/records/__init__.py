"""Types that all other packages exchange: observations, records, change events, batches, ids.

This package imports nothing else of the product.
"""

from __future__ import annotations

from stripe_sync.records.batch import Batch, Checkpoint, LoadResult, PendingFetch, PollCheckpoint
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.collection_status import CollectionStatus
from stripe_sync.records.mutation import ExecutedMutation, OwnChange, OwnChanges
from stripe_sync.records.observation import ChangeType, Observation, Source, StripeEvent
from stripe_sync.records.stored_object import Condition, MissingObject, StoredObject
from stripe_sync.records.stream_rows import EventRow, RecordRow

__all__ = [
    "Batch",
    "ChangeType",
    "Checkpoint",
    "CollectionStatus",
    "Condition",
    "EventRow",
    "ExecutedMutation",
    "JsonObject",
    "LoadResult",
    "MissingObject",
    "Observation",
    "OwnChange",
    "OwnChanges",
    "PendingFetch",
    "PollCheckpoint",
    "RecordRow",
    "Source",
    "StoredObject",
    "StripeEvent",
]
