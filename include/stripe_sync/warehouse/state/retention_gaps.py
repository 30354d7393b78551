"""Gaps: periods whose Stripe events could not be polled, or not before Stripe deleted them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import poll_tables

RETENTION = timedelta(days=30)
"""How long Stripe keeps its events."""

_MARGIN = timedelta(hours=1)
_table = poll_tables.retention_gaps


def is_gap(last_poll: datetime, now: datetime) -> bool:
    """Whether Stripe may have deleted events since the last poll."""
    return now - last_poll > RETENTION - _MARGIN


class Gaps:
    """Stores gaps until all collections were reconciled."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def open(
        self, sync_id: UUID, *, began_at: datetime, ended_at: datetime | None, reason: str
    ) -> None:
        """Store a gap; storing it again changes nothing.

        Args:
            sync_id: The sync.
            began_at: Last poll before it, by Stripe's clock.
            ended_at: First poll after it; None while Stripe events cannot be read.
            reason: Why Stripe events are missing.
        """
        statement = insert(_table).values(
            sync_id=sync_id,
            began_at=began_at,
            ended_at=ended_at,
            reason=reason,
            noted_at=ended_at and sa.func.clock_timestamp(),
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement.on_conflict_do_nothing())

    def end(self, sync_id: UUID, *, ended_at: datetime) -> None:
        """End the gaps that had not ended: Stripe events can be read.

        Args:
            sync_id: The sync.
            ended_at: First poll after them, by Stripe's clock.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, _table.c.ended_at.is_(None))
            .values(
                ended_at=sa.func.greatest(_table.c.began_at, ended_at),
                noted_at=sa.func.clock_timestamp(),
            )
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def newest_open(self, sync_id: UUID) -> datetime | None:
        """When the newest gap was noted that has ended and is not reconciled; None for none.

        By the warehouse's clock, so that it can be compared with the time of a read.
        """
        query = sa.select(sa.func.max(_table.c.noted_at)).where(
            _table.c.sync_id == sync_id, _table.c.reconciled_at.is_(None)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            noted_at: datetime | None = connection.scalar(query)
        return noted_at

    def close(self, sync_id: UUID, *, noted_until: datetime) -> None:
        """Mark gaps as reconciled now.

        Args:
            sync_id: The sync.
            noted_until: Gaps that were noted later stay open.
        """
        statement = (
            sa.update(_table)
            .where(
                _table.c.sync_id == sync_id,
                _table.c.noted_at <= noted_until,
                _table.c.reconciled_at.is_(None),
            )
            .values(reconciled_at=sa.func.clock_timestamp())
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
