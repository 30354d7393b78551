"""The streams: records and change events of a sync in the order of ``seq``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from stripe_sync.errors import WarehouseError
from stripe_sync.records import ChangeType, EventRow, RecordRow, Source
from stripe_sync.warehouse.connect import explain, using
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.writing.lookup import canonical_text

_records = tables.records
_events = tables.events
_position = tables.stream_position


@dataclass(frozen=True, slots=True)
class StreamPart:
    """Consecutive change events of a sync's stream, without those of backfills.

    Attributes:
        after: Position after which it begins.
        last_seq: Position at which it ends; the next part begins after it.
        events: Change events in stream order.
        records: The records whose newest change event is among them.
    """

    after: int
    last_seq: int
    events: list[EventRow]
    records: list[RecordRow]


class Streams:
    """Reads the record and event streams.

    The order of positions is the order of commits, so a reader that continues after the last
    position it has read misses nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def next_part(
        self, sync_id: UUID, *, after: int, limit: int, connection: Connection | None = None
    ) -> StreamPart:
        """The next change events that no backfill wrote, and their records.

        Args:
            sync_id: The sync.
            after: Position after which the part begins.
            limit: Maximum number of change events.
            connection: The connection to read with; None for one of the pool.

        Raises:
            WarehouseError: The sync does not exist, or the warehouse cannot be reached.
        """
        with explain(self.engine.url), using(self.engine, connection) as used:
            end = used.scalar(sa.select(_position.c.last_seq).where(_position.c.sync_id == sync_id))
            if end is None:
                msg = f"the warehouse has no sync {sync_id}"
                raise WarehouseError(msg)
            query = _after(_events, sync_id, after).where(
                _events.c.seq <= end, _events.c.source != Source.BACKFILL
            )
            events = {
                row["seq"]: _event(row) for row in used.execute(query.limit(limit)).mappings()
            }
            if len(events) == limit:
                end = max(events)
            # A record that has changed since comes with the part that has its newest change event.
            query = _after(_records, sync_id, after).where(
                _records.c.seq == sa.func.any(sa.literal(list(events), sa.ARRAY(sa.BigInteger)))
            )
            rows = list(used.execute(query).mappings()) if events else []
        return StreamPart(after, end, list(events.values()), [_record(row) for row in rows])

    def begins_at(self, sync_id: UUID, *, after: int) -> datetime | None:
        """Time of the first change event after a position; None where there is none.

        Args:
            sync_id: The sync.
            after: The position.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        query = (
            sa.select(_events.c.created_at)
            .where(_events.c.sync_id == sync_id, _events.c.seq > after)
            .order_by(_events.c.seq)
            .limit(1)
        )
        with explain(self.engine.url), using(self.engine, None) as used:
            found: datetime | None = used.scalar(query)
        return found

    def skip_to(self, sync_id: UUID, last_seq: int, connection: Connection | None = None) -> None:
        """Continue the stream after this position; a lower position changes nothing.

        Args:
            sync_id: The sync.
            last_seq: The position.
            connection: The connection to write with, whose transaction the caller commits; None for
                one of the pool.
        """
        statement = (
            sa.update(_position)
            .where(_position.c.sync_id == sync_id)
            .values(last_seq=sa.func.greatest(_position.c.last_seq, last_seq))
        )
        with explain(self.engine.url), using(self.engine, connection) as used:
            used.execute(statement)


def _after(table: sa.Table, sync_id: UUID, seq: int) -> sa.Select[Any]:
    name = "payload" if table is _records else "data"
    # As text: canonical JSON is made from it without the driver parsing it first.
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
