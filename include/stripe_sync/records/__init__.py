"""What all other packages exchange: observations, records, change events, batches and ids.

This package imports nothing else of the product.
"""

from __future__ import annotations

from stripe_sync.records.batch import Batch, Checkpoint, LoadResult, PendingFetch, PollCheckpoint
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.observation import ChangeType, Observation, Source, StripeEvent
from stripe_sync.records.stream_rows import EventRow, RecordRow

__all__ = [
    "Batch",
    "ChangeType",
    "Checkpoint",
    "EventRow",
    "JsonObject",
    "LoadResult",
    "Observation",
    "PendingFetch",
    "PollCheckpoint",
    "RecordRow",
    "Source",
    "StripeEvent",
]
