"""Reading the streams back, in order of position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection, Engine

from stripe_sync.errors import WarehouseError
from stripe_sync.records import ChangeType, EventRow, RecordRow, Source
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.writing.lookup import canonical_text

_records = tables.records
_events = tables.events
_position = tables.stream_position
_lake = tables.lake_position


@dataclass(frozen=True, slots=True)
class StreamPart:
    """A stretch of a sync's stream, without what backfills wrote.

    Attributes:
        after: Position after which it begins.
        last_seq: Position up to which it reaches; go on after it.
        events: Change events in stream order.
        records: The records whose newest event is among them.
    """

    after: int
    last_seq: int
    events: list[EventRow]
    records: list[RecordRow]


class Streams:
    """Reads the record and event streams.

    Positions are given out in the order of commits, so a reader that goes on after the last
    position it saw misses nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def last_seq(self, sync_id: UUID) -> int:
        """Position of the newest change event; 0 before the first.

        Raises:
            WarehouseError: The sync is unknown, or the warehouse cannot be reached.
        """
        with explain(self.engine.url), self.engine.connect() as connection:
            return _last_seq(connection, sync_id)

    def events_after(
        self, sync_id: UUID, seq: int, *, limit: int = 1000
    ) -> list[tuple[int, EventRow]]:
        """The next change events with their positions, oldest first.

        Args:
            sync_id: The sync.
            seq: Last position seen; 0 begins at the first.
            limit: At most so many.
        """
        query = _after(_events, sync_id, seq).limit(limit)
        with explain(self.engine.url), self.engine.connect() as connection:
            return [(row["seq"], _event(row)) for row in connection.execute(query).mappings()]

    def records_after(
        self, sync_id: UUID, seq: int, *, limit: int = 1000
    ) -> list[tuple[int, RecordRow]]:
        """The next records with their positions; each at the position of its newest event.

        Args:
            sync_id: The sync.
            seq: Last position seen; 0 begins at the first.
            limit: At most so many.
        """
        query = _after(_records, sync_id, seq).limit(limit)
        with explain(self.engine.url), self.engine.connect() as connection:
            return [(row["seq"], _record(row)) for row in connection.execute(query).mappings()]

    def record_counts(self, sync_id: UUID) -> dict[str, int]:
        """Number of records that are not deleted, by collection id; counts them all, so slow."""
        query = (
            sa.select(_records.c.collection_id, sa.func.count())
            .where(_records.c.sync_id == sync_id, ~_records.c.deleted)
            .group_by(_records.c.collection_id)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def next_part(self, sync_id: UUID, *, after: int, limit: int) -> StreamPart:
        """The next change events that no backfill wrote, and the records they lead to.

        Args:
            sync_id: The sync.
            after: Position after which it begins.
            limit: At most so many events.
        """
        with explain(self.engine.url), self.engine.connect() as connection:
            end = _last_seq(connection, sync_id)
            query = _after(_events, sync_id, after).where(
                _events.c.seq <= end, _events.c.source != Source.BACKFILL
            )
            events = {
                row["seq"]: _event(row) for row in connection.execute(query.limit(limit)).mappings()
            }
            if len(events) == limit:
                end = max(events)
            # A record that moved on meanwhile comes with the part that holds its newest event.
            query = _after(_records, sync_id, after).where(
                _records.c.seq == sa.func.any(sa.literal(list(events), sa.ARRAY(sa.BigInteger)))
            )
            found = list(connection.execute(query).mappings()) if events else []
        return StreamPart(after, end, list(events.values()), [_record(row) for row in found])

    def lake_position(self, sync_id: UUID) -> int:
        """Position up to which the lake has followed the stream."""
        with explain(self.engine.url), self.engine.connect() as connection:
            seq = connection.scalar(sa.select(_lake.c.seq).where(_lake.c.sync_id == sync_id))
        return int(seq or 0)

    def set_lake_position(self, sync_id: UUID, seq: int, lock_connection: Connection) -> None:
        """Note that the lake has followed the stream up to this position; it never goes back.

        Args:
            sync_id: The sync.
            seq: The position.
            lock_connection: The connection that holds the lake lock; without it nothing is noted.
        """
        statement = insert(_lake).values(sync_id=sync_id, seq=seq)
        statement = statement.on_conflict_do_update(
            index_elements=[_lake.c.sync_id],
            set_={"seq": sa.func.greatest(_lake.c.seq, statement.excluded.seq)},
        )
        with explain(self.engine.url):
            lock_connection.execute(statement)


def _last_seq(connection: Connection, sync_id: UUID) -> int:
    seq = connection.scalar(sa.select(_position.c.last_seq).where(_position.c.sync_id == sync_id))
    if seq is None:
        msg = f"the warehouse does not know the sync {sync_id}"
        raise WarehouseError(msg)
    return int(seq)


def _after(table: sa.Table, sync_id: UUID, seq: int) -> sa.Select[Any]:
    name = "payload" if table is _records else "data"
    # As text: it becomes canonical JSON again without a detour through objects of the driver.
    columns = [
        sa.cast(column, sa.Text).label(name) if column.name == name else column
        for column in table.c
    ]
    return (
        sa.select(*columns)
        .where(table.c.sync_id == sync_id, table.c.seq > seq)
        .order_by(table.c.seq)
    )


def _record(row: sa.RowMapping) -> RecordRow:
    text = canonical_text(row["payload_exact"], row["payload"])
    return RecordRow(payload_json=text, **{name: row[name] for name in _RECORD_FIELDS})


def _event(row: sa.RowMapping) -> EventRow:
    values = {name: row[name] for name in _EVENT_FIELDS}
    values["event_type"] = ChangeType(values["event_type"])
    values["source"] = Source(values["source"])
    return EventRow(data_json=canonical_text(row["data_exact"], row["data"]), **values)


_RECORD_FIELDS = tuple(name for name in RecordRow.__slots__ if name != "payload_json")
_EVENT_FIELDS = tuple(name for name in EventRow.__slots__ if name != "data_json")
