"""Deletes change events that are older than the sync keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from stripe_sync.records import Source
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_events = tables.events
_lake = tables.lake_position

PART_EVENTS = 5_000
"""Number of change events that one transaction checks."""


class Retention:
    """Deletes expired change events."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def delete_expired_events(
        self, sync_id: UUID, before: datetime, progress: Callable[[int], None] | None = None
    ) -> Counter[str]:
        """Delete change events of the warehouse that were stored before a time.

        The newest change event of each record stays, so that the record remains the fold of its
        change events. Change events that are not in the lake yet stay too. Deletes in several
        transactions; an interrupted call has deleted some.

        Args:
            sync_id: The sync.
            before: The time.
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
                deleted += _delete(connection, sync_id, (seq, end), before)
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
    connection: Connection, sync_id: UUID, between: tuple[int, int], before: datetime
) -> Counter[str]:
    newer = _events.alias("newer")
    in_lake = sa.select(_lake.c.seq).where(_lake.c.sync_id == sync_id).scalar_subquery()
    statement = (
        sa.delete(_events)
        .where(
            _events.c.sync_id == sync_id,
            _events.c.seq > between[0],
            _events.c.seq <= between[1],
            _events.c.created_at < before,
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
