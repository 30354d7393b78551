"""Schema of the Parquet files; part of the data contract.

Ids are text, times are microseconds in UTC, payloads are the objects' canonical JSON text without
loss. ``created`` is the object's own time, taken from its payload: null where that has none, and in
files that were written before there was this column. There is no stream position (``seq``): it
belongs to one warehouse and changes when that is rebuilt. Versions of a record are ordered by
``updated_idx``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from stripe_sync.lake import arrow_columns
from stripe_sync.records import EventRow, RecordRow, canonical_json
from stripe_sync.records.canonical_json import JsonObject

_MOMENT = pa.timestamp("us", tz="UTC")

RECORDS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("sync_id", pa.string(), nullable=False),
        pa.field("resource_id", pa.string(), nullable=False),
        pa.field("collection_id", pa.string(), nullable=False),
        pa.field("upstream_id", pa.string(), nullable=False),
        pa.field("deleted", pa.bool_(), nullable=False),
        pa.field("payload", pa.large_string(), nullable=False),
        pa.field("payload_hash", pa.string(), nullable=False),
        pa.field("inserted_at", _MOMENT, nullable=False),
        pa.field("updated_at", _MOMENT, nullable=False),
        pa.field("upstream_updated_at", _MOMENT, nullable=False),
        pa.field("updated_idx", pa.int32(), nullable=False),
        pa.field("observed_at", _MOMENT, nullable=False),
        pa.field("api_version", pa.string(), nullable=False),
        pa.field("parent_id", pa.string()),
        pa.field("created", _MOMENT),
    ]
)

EVENTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("sync_id", pa.string(), nullable=False),
        pa.field("resource_id", pa.string(), nullable=False),
        pa.field("collection_id", pa.string(), nullable=False),
        pa.field("upstream_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("changes", pa.large_string()),
        pa.field("data", pa.large_string(), nullable=False),
        pa.field("created_at", _MOMENT, nullable=False),
        pa.field("upstream_updated_at", _MOMENT, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("stripe_event_id", pa.string()),
        pa.field("api_version", pa.string(), nullable=False),
    ]
)

# Columns with repeated values; a dictionary of the others would only cost time.
REPEATING = [
    "sync_id",
    "resource_id",
    "collection_id",
    "event_type",
    "source",
    "api_version",
    "created_at",
    "inserted_at",
    "updated_at",
    "observed_at",
]


def records_table(rows: Sequence[RecordRow]) -> pa.Table:
    """Records as an Arrow table."""
    payloads = [row.payload_json for row in rows]
    columns = {
        "payload": arrow_columns.texts(payloads, pa.large_string()),
        "created": arrow_columns.moments([created(text) for text in payloads], _MOMENT),
    }
    return _table(RECORDS, rows, columns)


def events_table(rows: Sequence[EventRow]) -> pa.Table:
    """Change events as an Arrow table."""
    data = arrow_columns.texts([row.data_json for row in rows], pa.large_string())
    changes = arrow_columns.texts([_changes(row.changes) for row in rows], pa.large_string())
    return _table(EVENTS, rows, {"data": data, "changes": changes})


class _Object(msgspec.Struct):
    """One field of an object; the others are skipped, in a quarter of the time of parsing them."""

    created: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Object).decode

_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


def created(payload: bytes) -> datetime | None:
    """When Stripe created an object; None where its payload has no such time.

    Args:
        payload: JSON text of the object.
    """
    try:
        seconds = bytes(_decode(payload).created)
    except msgspec.DecodeError:  # halves of a surrogate pair
        seconds = canonical_json.dumps(canonical_json.loads(payload).get("created"))
    if not seconds.isdigit() or int(seconds) > _LAST_SECOND:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _table(schema: pa.Schema, rows: Sequence[object], columns: dict[str, pa.Array]) -> pa.Table:
    arrays = [
        columns[field.name]
        if field.name in columns
        else _MAKERS[field.type](list(map(attrgetter(field.name), rows)), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _changes(changes: JsonObject | None) -> bytes | None:
    return None if changes is None else canonical_json.canonical(changes)


_MAKERS: dict[pa.DataType, Callable[[list[Any], pa.DataType], pa.Array]] = {
    pa.string(): arrow_columns.names,
    pa.bool_(): arrow_columns.flags,
    pa.int32(): arrow_columns.integers,
    _MOMENT: arrow_columns.moments,
}
