"""Deletes change events that are older than the sync keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.engine import Connection, Engine

from stripe_sync.records import Source
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import consumer_tables, tables

_events = tables.events
_syncs = tables.syncs
_lake = tables.lake_position

PART_EVENTS = 5_000
"""Number of change events that one transaction checks."""


class Retention:
    """Deletes expired change events."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def delete_expired_events(
        self,
        sync_id: UUID,
        before: datetime,
        *,
        unread_before: datetime,
        progress: Callable[[int], None] | None = None,
    ) -> Counter[str]:
        """Delete change events of the warehouse that were stored before a time.

        The newest change event of each record stays, so that the record remains the fold of its
        change events. Change events that are not in the lake yet stay too, and for longer those
        that a consumer was not delivered. Deletes in several transactions; an interrupted call has
        deleted some.

        Args:
            sync_id: The sync.
            before: The time.
            unread_before: The time for those that a consumer was not delivered.
            progress: Called after each transaction with the number of change events checked so far.

        Returns:
            Number of deleted change events by collection id.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        deleted: Counter[str] = Counter()
        checked, seq = 0, 0
        while True:
            with explain(self.engine.url), self.engine.begin() as connection:
                # All are checked: a reload gives old change events late positions.
                count, end = _part(connection, sync_id, seq)
                if not count:
                    return deleted
                deleted += _delete(connection, sync_id, (seq, end), (before, unread_before))
            checked, seq = checked + count, end
            if progress:
                progress(checked)


def _part(connection: Connection, sync_id: UUID, after: int) -> tuple[int, int]:
    """Number of the next change events, up to ``PART_EVENTS``, and the position of the last."""
    part = (
        sa.select(_events.c.seq)
        .where(_events.c.sync_id == sync_id, _events.c.seq > after)
        .order_by(_events.c.seq)
        .limit(PART_EVENTS)
        .subquery()
    )
    row = connection.execute(sa.select(sa.func.count(), sa.func.max(part.c.seq))).one()
    return int(row[0]), int(row[1] or after)


def _delete(
    connection: Connection,
    sync_id: UUID,
    between: tuple[int, int],
    before: tuple[datetime, datetime],
) -> Counter[str]:
    newer = _events.alias("newer")
    in_lake = sa.select(_lake.c.seq).where(_lake.c.sync_id == sync_id).scalar_subquery()
    statement = (
        sa.delete(_events)
        .where(
            _events.c.sync_id == sync_id,
            _events.c.seq > between[0],
            _events.c.seq <= between[1],
            _events.c.created_at < before[0],
            sa.or_(_events.c.created_at < before[1], ~_is_awaited(sync_id)),
            sa.or_(_events.c.source == Source.BACKFILL, _events.c.seq <= in_lake),
            sa.exists().where(
                newer.c.collection_id == _events.c.collection_id,
                newer.c.sync_id == _events.c.sync_id,
                newer.c.upstream_id == _events.c.upstream_id,
                newer.c.seq > _events.c.seq,
            ),
        )
        .returning(_events.c.collection_id)
    )
    return Counter(connection.scalars(statement).all())


def _is_awaited(sync_id: UUID) -> sa.ColumnElement[bool]:
    """Whether a consumer of change events has not read one, or will be delivered it again."""
    consumers, cursors = consumer_tables.consumers, consumer_tables.consumer_cursors
    items = consumer_tables.consumer_items
    wanted = consumers.c.filters["sync_id"]
    names = sa.select(sa.cast(_syncs.c.id, sa.Text), _syncs.c.name).where(_syncs.c.id == sync_id)
    named = names.subquery()
    is_named = sa.exists().where(sa.or_(*(wanted.has_key(column) for column in named.c)))
    unread = (
        sa.select(sa.literal(1))
        .select_from(consumers)
        .outerjoin(
            cursors, sa.and_(cursors.c.consumer == consumers.c.name, cursors.c.sync_id == sync_id)
        )
        .where(
            consumers.c.stream == "events",
            sa.or_(wanted == sa.cast([], pg.JSONB), is_named),
            sa.func.coalesce(cursors.c.seq, 0) < _events.c.seq,
        )
    )
    waits = sa.exists().where(items.c.sync_id == sync_id, items.c.seq == _events.c.seq)
    return sa.or_(unread.exists(), waits)
