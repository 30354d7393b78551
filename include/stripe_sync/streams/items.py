"""Rows of the warehouse as items of the streams, in the shape that is their data contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from stripe_sync.records import canonical_json
from stripe_sync.streams.selection import Selection, Stream

Row = Sequence[Any]

ItemKey = tuple[UUID, int]
"""Sync and stream position."""


@dataclass(frozen=True, slots=True)
class StreamItem:
    """A record or a change event.

    Attributes:
        sync_id: Its sync.
        seq: Its position in the streams of the sync.
        body: It as JSON, UTF-8, in one line.
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
    """

    sync_id: UUID
    seq: int
    body: bytes
    collection_id: str
    upstream_id: str

    @property
    def key(self) -> ItemKey:
        """What names it within its stream."""
        return self.sync_id, self.seq

    @property
    def object_key(self) -> tuple[UUID, str, str]:
        """The object that it is about."""
        return self.sync_id, self.collection_id, self.upstream_id

    def json(self) -> dict[str, Any]:
        """It as a dictionary with the keys of the data contract, moments as text."""
        item: dict[str, Any] = canonical_json.loads(self.body)
        return item


def _moment(column: str) -> str:
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def _text(column: str) -> str:
    return f"{column}::text"


def _plain(column: str) -> str:
    return column


# Columns by item key: how they are selected, and whether they are JSON. The texts of a payload are
# those of Stripe where jsonb cannot hold them.
_RECORD: dict[str, Callable[[str], str]] = {
    "collection_id": _plain,
    "deleted": _plain,
    "id": _text,
    "inserted_at": _moment,
    "payload": lambda column: f"coalesce({column}_exact, {column}::text)",
    "payload_hash": _plain,
    "resource_id": _text,
    "seq": _plain,
    "sync_id": _text,
    "updated_at": _moment,
    "updated_idx": _plain,
    "upsert_opts": _text,
    "upstream_id": _plain,
    "upstream_updated_at": _moment,
}
_EVENT: dict[str, Callable[[str], str]] = {
    "changes": _text,
    "collection_id": _plain,
    "created_at": _moment,
    "data": lambda column: f"coalesce({column}_exact, {column}::text)",
    "event_type": _plain,
    "id": _text,
    "resource_id": _text,
    "seq": _plain,
    "sync_id": _text,
    "upstream_id": _plain,
    "upstream_updated_at": _moment,
}
_COLUMNS = {Stream.RECORDS: _RECORD, Stream.EVENTS: _EVENT}
_JSON = {Stream.RECORDS: ("payload", "upsert_opts"), Stream.EVENTS: ("changes", "data")}

RECORD_SYNC = list(_RECORD).index("sync_id")
"""Place of the sync in a row of a record."""

SELECT = {
    stream: "SELECT "
    + ", ".join(f"{how(name)} AS {name}" for name, how in columns.items())
    + f" FROM stripe_raw.{stream}"
    for stream, columns in _COLUMNS.items()
}
"""The beginning of the query whose rows ``item_of`` takes."""


def item_of(stream: Stream, sync_id: UUID, row: Row) -> StreamItem:
    """The item of a row of a sync."""
    values = dict(zip(_COLUMNS[stream], row, strict=True))
    for name in _JSON[stream]:
        if values[name] is not None:
            values[name] = canonical_json.part(values[name])
    return StreamItem(
        sync_id=sync_id,
        seq=values["seq"],
        body=canonical_json.dumps(values),
        collection_id=values["collection_id"],
        upstream_id=values["upstream_id"],
    )


def is_wanted(item: StreamItem, selection: Selection) -> bool:
    """Whether an item of a chosen sync is one of a selection."""
    event_type = item.json()["event_type"] if selection.event_types else ""
    return selection.matches(item.collection_id, item.upstream_id, event_type)
