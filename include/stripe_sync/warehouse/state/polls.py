"""How the polling of each sync stands: fence, position, lease, ledger, objects to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.clock import from_unix, to_unix
from stripe_sync.errors import WarehouseError
from stripe_sync.records import PendingFetch
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import poll_tables

_table = poll_tables.poll_state
_ledger = poll_tables.stripe_event_ledger
_queue = poll_tables.fetch_queue
_lag = poll_tables.poll_lag

LEDGER_RETENTION = timedelta(days=45)
"""Stripe shows its events for 30 days; nothing younger than this may leave the ledger."""

LAG_RETENTION = timedelta(days=2)
"""How long it is remembered how long changes took."""


@dataclass(frozen=True, slots=True)
class PollState:
    """How the polling of a sync stands.

    Attributes:
        cutoff: Unix seconds from which polling starts; None before anybody took the fence.
        position: Where polling goes on; None: at the fence.
        polled_at: Last poll that Stripe answered, or when the fence was taken.
    """

    cutoff: int | None
    position: JsonObject | None
    polled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a poller did since its last beat.

    Attributes:
        sync_id: Its sync.
        polls: Polls made.
        requests: Requests made.
        rate_limited: Answers that there were too many.
        polled_at: Last poll that Stripe answered; None for none.
    """

    sync_id: UUID
    polls: int
    requests: int
    rate_limited: int
    polled_at: datetime | None


class Polls:
    """Reads and writes how the polling of each sync stands."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def state(self, sync_id: UUID) -> PollState:
        """How the polling of a sync stands.

        Raises:
            WarehouseError: The sync is unknown, or the warehouse cannot be reached.
        """
        query = sa.select(_table.c.cutoff, _table.c.position, _table.c.polled_at)
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(query.where(_table.c.sync_id == sync_id)).first()
        if row is None:
            raise _unknown(sync_id)
        return PollState(row[0] and to_unix(row[0]), row[1], row[2])

    def set_cutoff(self, sync_id: UUID, cutoff: int, *, at: datetime) -> int:
        """Take the fence, unless it was taken before.

        Args:
            sync_id: The sync.
            cutoff: Unix seconds.
            at: When that was the newest Stripe event: none of later ones has been missed.

        Returns:
            The fence that holds.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id)
            .values(
                cutoff=sa.func.coalesce(_table.c.cutoff, from_unix(cutoff)),
                polled_at=sa.func.coalesce(_table.c.polled_at, at),
            )
            .returning(_table.c.cutoff)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            holds: datetime | None = connection.scalar(statement)
        if holds is None:
            raise _unknown(sync_id)
        return to_unix(holds)

    def acquire_lease(self, sync_id: UUID, owner: str, *, seconds: float) -> bool:
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

    def renew_leases(
        self, owner: str, heartbeats: Sequence[Heartbeat], *, seconds: float
    ) -> set[UUID]:
        """Renew all leases of a process, and note what its pollers did.

        Args:
            owner: Who holds them.
            heartbeats: One for each sync.
            seconds: How long the leases last if they are not renewed.

        Returns:
            The syncs whose leases it still holds; the others were taken over.
        """
        columns = {
            name: [getattr(heartbeat, name) for heartbeat in heartbeats]
            for name in Heartbeat.__slots__
        }
        with explain(self.engine.url), self.engine.begin() as connection:
            rows = connection.execute(_RENEW, {**columns, "owner": owner, "seconds": seconds})
            return {row[0] for row in rows}

    def release_lease(self, sync_id: UUID, owner: str) -> None:
        """Give the lease back; does nothing when somebody else holds it."""
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, _table.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def set_message(self, sync_name: str, message: str | None) -> None:
        """Note what keeps a sync from being polled; None for nothing."""
        statement = _MESSAGE.bindparams(name=sync_name, message=message)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def processed_since(self, sync_id: UUID, *, since: datetime) -> dict[str, int]:
        """Stripe events applied so far that Stripe made at this time or later.

        Returns:
            Unix seconds of their creation, by id.
        """
        query = sa.select(_ledger.c.stripe_event_id, _ledger.c.created).where(
            _ledger.c.sync_id == sync_id, _ledger.c.created >= since
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {row[0]: to_unix(row[1]) for row in connection.execute(query)}

    def pending_fetches(self, sync_id: UUID) -> list[PendingFetch]:
        """Objects whose new state is still to be fetched, those first that wait longest."""
        query = sa.select(_queue).where(_queue.c.sync_id == sync_id).order_by(_queue.c.changed_at)
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                PendingFetch(row.collection_id, row.upstream_id, row.seen, row.changed_at)
                for row in connection.execute(query)
            ]

    def prune_processed_events(self, sync_id: UUID, now: datetime) -> int:
        """Forget Stripe events that Stripe itself no longer shows, and how long old ones took.

        Returns:
            How many Stripe events were forgotten.
        """
        ledger = sa.delete(_ledger).where(
            _ledger.c.sync_id == sync_id, _ledger.c.created < now - LEDGER_RETENTION
        )
        lags = sa.delete(_lag).where(_lag.c.sync_id == sync_id, _lag.c.minute < now - LAG_RETENTION)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(lags)
            return connection.execute(ledger).rowcount


_RENEW = sa.text("""
UPDATE stripe_sync.poll_state AS p SET
    lease_until = clock_timestamp() + make_interval(secs => :seconds),
    polls = p.polls + b.polls, requests = p.requests + b.requests,
    rate_limited = p.rate_limited + b.rate_limited,
    polled_at = greatest(p.polled_at, b.polled_at)
FROM unnest(cast(:sync_id AS uuid[]), cast(:polls AS bigint[]), cast(:requests AS bigint[]),
    cast(:rate_limited AS bigint[]), cast(:polled_at AS timestamptz[]))
    AS b (sync_id, polls, requests, rate_limited, polled_at)
WHERE p.sync_id = b.sync_id AND p.lease_owner = :owner
RETURNING p.sync_id
""")

_MESSAGE = sa.text("""
UPDATE stripe_sync.poll_state AS p SET message = :message
FROM stripe_sync.syncs AS s
WHERE s.id = p.sync_id AND s.name = :name AND p.message IS DISTINCT FROM :message
""")


def _unknown(sync_id: UUID) -> WarehouseError:
    return WarehouseError(f"the warehouse does not know the sync {sync_id}")
