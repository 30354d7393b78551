"""Rows of the two streams: written to the lake and to the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.observation import ChangeType, Source


@dataclass(slots=True)
class RecordRow:
    """One version of one record: a row of the lake's records and of ``stripe_raw.records``."""

    id: UUID
    sync_id: UUID
    resource_id: UUID
    collection_id: str
    upstream_id: str
    deleted: bool
    payload_json: bytes
    payload_hash: str
    inserted_at: datetime
    updated_at: datetime
    upstream_updated_at: datetime
    updated_idx: int
    observed_at: datetime
    api_version: str
    parent_id: str | None = None


@dataclass(slots=True)
class EventRow:
    """One change event: a row of the lake's events and of ``stripe_raw.events``."""

    id: UUID
    sync_id: UUID
    resource_id: UUID
    collection_id: str
    upstream_id: str
    event_type: ChangeType
    changes: JsonObject | None
    data_json: bytes
    created_at: datetime
    upstream_updated_at: datetime
    source: Source
    stripe_event_id: str | None
    api_version: str
