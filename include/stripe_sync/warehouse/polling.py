"""How the polling of each sync stands: fence, position, lease, ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.clock import from_unix, to_unix
from stripe_sync.errors import WarehouseError
from stripe_sync.jsonio import JsonObject
from stripe_sync.warehouse import tables
from stripe_sync.warehouse.connect import explain

_table = tables.poll_state
_ledger = tables.stripe_event_ledger

LEDGER_RETENTION = timedelta(days=45)
"""Stripe shows its events for 30 days; nothing younger than this may leave the ledger."""


class PollStore:
    """Reads and writes how the polling of each sync stands."""

    engine: Engine

    def fence(self, sync_id: UUID) -> int | None:
        """Unix seconds from which polling starts; None before anybody took the fence."""
        moment = self._value(_table.c.fence, sync_id)
        return None if moment is None else to_unix(moment)

    def set_fence(self, sync_id: UUID, fence: int) -> int:
        """Take the fence, unless it was taken before.

        Args:
            sync_id: The sync.
            fence: Unix seconds.

        Returns:
            The fence that holds.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id)
            .values(fence=sa.func.coalesce(_table.c.fence, from_unix(fence)))
            .returning(_table.c.fence)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            holds: datetime | None = connection.scalar(statement)
        if holds is None:
            raise _unknown(sync_id)
        return to_unix(holds)

    def poll_position(self, sync_id: UUID) -> JsonObject | None:
        """Where polling goes on; None: at the fence."""
        position: JsonObject | None = self._value(_table.c.position, sync_id)
        return position

    def acquire_poll_lease(self, sync_id: UUID, owner: str, *, seconds: float) -> bool:
        """Take or renew the right to poll a sync; the warehouse's clock counts.

        Args:
            sync_id: The sync.
            owner: Names this poller, unlike any other.
            seconds: How long the lease lasts if it is not renewed.

        Returns:
            False when somebody else holds it.
        """
        now = sa.func.clock_timestamp()
        free = sa.or_(
            _table.c.lease_owner.is_(None),
            _table.c.lease_owner == owner,
            _table.c.lease_until < now,
        )
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, free)
            .values(lease_owner=owner, lease_until=now + timedelta(seconds=seconds))
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def release_poll_lease(self, sync_id: UUID, owner: str) -> None:
        """Give the lease back; does nothing when somebody else holds it."""
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, _table.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def known_stripe_events(self, sync_id: UUID, *, since: datetime) -> dict[str, int]:
        """Stripe events applied so far that Stripe made at this time or later.

        Returns:
            Unix seconds of their creation, by id.
        """
        query = sa.select(_ledger.c.stripe_event_id, _ledger.c.created).where(
            _ledger.c.sync_id == sync_id, _ledger.c.created >= since
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {row[0]: to_unix(row[1]) for row in connection.execute(query)}

    def prune_ledger(self, sync_id: UUID, now: datetime) -> int:
        """Forget Stripe events that Stripe itself no longer shows.

        Returns:
            How many were forgotten.
        """
        statement = sa.delete(_ledger).where(
            _ledger.c.sync_id == sync_id, _ledger.c.created < now - LEDGER_RETENTION
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            return connection.execute(statement).rowcount

    def _value(self, column: sa.Column[Any], sync_id: UUID) -> Any:
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(sa.select(column).where(_table.c.sync_id == sync_id)).first()
        if row is None:
            raise _unknown(sync_id)
        return row[0]


def _unknown(sync_id: UUID) -> WarehouseError:
    return WarehouseError(f"the warehouse does not know the sync {sync_id}")
