"""The columns that a table has without typed ones."""

from __future__ import annotations

from stripe_sync.streams.selection import Stream

# Types as format_type() writes them. The keys are those of the items of a stream; an object's
# exact text is stored only where jsonb alters it.
_RECORD = {
    "id": "uuid",
    "sync_id": "uuid",
    "resource_id": "uuid",
    "collection_id": "text",
    "upstream_id": "text",
    "deleted": "boolean",
    "payload": "jsonb",
    "payload_exact": "text",
    "payload_hash": "text",
    "inserted_at": "timestamp with time zone",
    "updated_at": "timestamp with time zone",
    "upstream_updated_at": "timestamp with time zone",
    "upsert_opts": "jsonb",
    "updated_idx": "integer",
    "seq": "bigint",
}
_EVENT = {
    "id": "uuid",
    "sync_id": "uuid",
    "resource_id": "uuid",
    "collection_id": "text",
    "upstream_id": "text",
    "event_type": "text",
    "changes": "jsonb",
    "data": "jsonb",
    "data_exact": "text",
    "created_at": "timestamp with time zone",
    "upstream_updated_at": "timestamp with time zone",
    "seq": "bigint",
}
COLUMNS = {Stream.RECORDS: _RECORD, Stream.EVENTS: _EVENT}
"""Types by name, of each stream."""
