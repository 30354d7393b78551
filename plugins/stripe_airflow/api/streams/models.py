"""Items and pages of the streams, for the description of the API; the warehouse makes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel


class Record(BaseModel):
    """The current state of an object; a deleted one keeps its last state."""

    collection_id: str
    deleted: bool
    id: UUID
    inserted_at: datetime
    payload: dict[str, Any]
    payload_hash: str
    resource_id: UUID
    seq: int
    sync_id: UUID
    updated_at: datetime
    updated_idx: int
    upsert_opts: dict[str, Any] | None
    upstream_id: str
    upstream_updated_at: datetime


class ChangeEvent(BaseModel):
    """A change of an object; ``changes`` has the old values of the keys that changed."""

    changes: dict[str, Any] | None
    collection_id: str
    created_at: datetime
    data: dict[str, Any]
    event_type: Literal["created", "updated", "deleted"]
    id: UUID
    resource_id: UUID
    seq: int
    sync_id: UUID
    upstream_id: str
    upstream_updated_at: datetime


class RecordPage(BaseModel):
    """A page of records; ``cursor`` is the next page's ``after_cursor``."""

    records: list[Record]
    cursor: str
    has_more: bool


class EventPage(BaseModel):
    """A page of change events; ``cursor`` is the next page's ``after_cursor``."""

    events: list[ChangeEvent]
    cursor: str
    has_more: bool
