"""Gaps: periods whose Stripe events were deleted by Stripe before they were polled."""

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

    def open(self, sync_id: UUID, *, began_at: datetime, ended_at: datetime, reason: str) -> None:
        """Store a gap; storing it again changes nothing.

        Args:
            sync_id: The sync.
            began_at: Last poll before it.
            ended_at: First poll after it.
            reason: Why Stripe events are missing.
        """
        statement = insert(_table).values(
            sync_id=sync_id, began_at=began_at, ended_at=ended_at, reason=reason
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement.on_conflict_do_nothing())

    def newest_open(self, sync_id: UUID) -> datetime | None:
        """End of the newest gap that is not reconciled; None when all are."""
        query = sa.select(sa.func.max(_table.c.ended_at)).where(
            _table.c.sync_id == sync_id, _table.c.reconciled_at.is_(None)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            ended_at: datetime | None = connection.scalar(query)
        return ended_at

    def close(self, sync_id: UUID, *, ended_until: datetime, at: datetime) -> None:
        """Mark gaps as reconciled.

        Args:
            sync_id: The sync.
            ended_until: Gaps that ended later stay open.
            at: When all collections had been reconciled.
        """
        statement = (
            sa.update(_table)
            .where(
                _table.c.sync_id == sync_id,
                _table.c.ended_at <= ended_until,
                _table.c.reconciled_at.is_(None),
            )
            .values(reconciled_at=at)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
