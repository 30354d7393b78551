"""Poll state of each sync: cutoff, cursor, lease, processed Stripe events, pending fetches."""

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
from stripe_sync.warehouse.schema import activity_tables, poll_tables

_table = poll_tables.poll_state
_processed = poll_tables.processed_events
_pending = poll_tables.pending_fetches
_MINUTES = (
    poll_tables.poll_latency.c.minute,
    poll_tables.poll_latency_by_half_hour.c.half_hour,
    poll_tables.latency_percentiles.c.half_hour,
    activity_tables.changes_by_minute.c.minute,
    activity_tables.requests_by_minute.c.minute,
)

PROCESSED_RETENTION = timedelta(days=45)
"""How long processed Stripe events are kept; Stripe lists its events for 30 days."""

ACTIVITY_RETENTION = timedelta(days=2)
"""How long figures by minute are kept: latencies, change events, requests."""


@dataclass(frozen=True, slots=True)
class PollState:
    """Poll state of a sync.

    Attributes:
        cutoff: Unix seconds from which polling starts; None before the first backfill or poll.
        cursor: Where polling resumes; None: at the cutoff.
        events_until: Last poll that Stripe answered, or when the cutoff was taken, by Stripe's
            clock.
        polled: Whether the sync was ever polled.
    """

    cutoff: int | None
    cursor: JsonObject | None
    events_until: datetime | None
    polled: bool


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Counts of a poller since its last heartbeat.

    Attributes:
        sync_id: Its sync.
        polls: Polls made.
        requests: Requests made.
        rate_limited: 429 responses.
        polled_at: Last poll that Stripe answered, by the warehouse's clock; None for none.
        events_until: The same poll by Stripe's clock.
    """

    sync_id: UUID
    polls: int
    requests: int
    rate_limited: int
    polled_at: datetime | None
    events_until: datetime | None


class Polls:
    """Reads and writes the poll state of each sync."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def state(self, sync_id: UUID) -> PollState:
        """The poll state of a sync.

        Raises:
            WarehouseError: The sync does not exist, or the warehouse cannot be reached.
        """
        names = ("cutoff", "cursor", "events_until", "polls")
        query = sa.select(*(_table.c[name] for name in names))
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(query.where(_table.c.sync_id == sync_id)).first()
        if row is None:
            raise _unknown_sync(sync_id)
        return PollState(row[0] and to_unix(row[0]), row[1], row[2], polled=row[3] > 0)

    def being_polled(self, sync_id: UUID) -> datetime | None:
        """The last poll, by the warehouse's clock; None where nobody holds the lease."""
        never = sa.func.to_timestamp(0)
        query = sa.select(sa.func.coalesce(_table.c.polled_at, never)).where(
            _table.c.sync_id == sync_id, _table.c.lease_until > sa.func.now()
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            polled_at: datetime | None = connection.scalar(query)
        return polled_at

    def set_cutoff(self, sync_id: UUID, cutoff: int, *, at: datetime) -> int:
        """Store the cutoff, unless there is one.

        Args:
            sync_id: The sync.
            cutoff: Unix seconds: ``created`` of the newest Stripe event at that time.
            at: When that was read, by Stripe's clock: no later Stripe event has been missed.

        Returns:
            The stored cutoff.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id)
            .values(
                cutoff=sa.func.coalesce(_table.c.cutoff, from_unix(cutoff)),
                polled_at=sa.func.coalesce(_table.c.polled_at, at),
                events_until=sa.func.coalesce(_table.c.events_until, at),
            )
            .returning(_table.c.cutoff)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            stored: datetime | None = connection.scalar(statement)
        if stored is None:
            raise _unknown_sync(sync_id)
        return to_unix(stored)

    def acquire_lease(self, sync_id: UUID, owner: str, *, seconds: float) -> bool:
        """Acquire or renew the lease to poll a sync, by the warehouse's clock.

        Args:
            sync_id: The sync.
            owner: Unique id of the poller.
            seconds: Time until the lease expires unless renewed.

        Returns:
            False when another owner holds it.
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
        """Renew all leases of a process, and add up the counts of its pollers.

        Args:
            owner: Holder of the leases.
            heartbeats: One for each sync.
            seconds: Time until the leases expire unless renewed.

        Returns:
            The syncs whose leases it still holds; the others have another owner.
        """
        columns = {
            name: [getattr(heartbeat, name) for heartbeat in heartbeats]
            for name in Heartbeat.__slots__
        }
        with explain(self.engine.url), self.engine.begin() as connection:
            rows = connection.execute(_RENEW, {**columns, "owner": owner, "seconds": seconds})
            return {row[0] for row in rows}

    def release_lease(self, sync_id: UUID, owner: str) -> None:
        """Release the lease; does nothing when another owner holds it."""
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, _table.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def set_message(
        self, sync_name: str, message: str | None, *, key_problem: str | None = None
    ) -> None:
        """Store the error that keeps a sync from being polled.

        Args:
            sync_name: The sync.
            message: The error; None for no error.
            key_problem: ``refused`` or ``limited``, if the error is about the key.
        """
        statement = _MESSAGE.bindparams(name=sync_name, message=message, key_problem=key_problem)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def processed_since(self, sync_id: UUID, *, since: datetime) -> dict[str, int]:
        """Processed Stripe events that Stripe created at this time or later.

        Returns:
            Unix seconds of their creation, by id.
        """
        query = sa.select(_processed.c.stripe_event_id, _processed.c.created).where(
            _processed.c.sync_id == sync_id, _processed.c.created >= since
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {row[0]: to_unix(row[1]) for row in connection.execute(query)}

    def newest_stripe_event(self, sync_id: UUID, *, polled_since: datetime) -> datetime | None:
        """When the newest Stripe event of a sync was created, or polling began without any.

        Args:
            sync_id: The sync.
            polled_since: None is returned where the last poll was earlier: nobody knows then.
        """
        newest = sa.select(sa.func.max(_processed.c.created)).where(_processed.c.sync_id == sync_id)
        query = sa.select(sa.func.coalesce(newest.scalar_subquery(), _table.c.cutoff)).where(
            _table.c.sync_id == sync_id, _table.c.polled_at >= polled_since
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            found: datetime | None = connection.scalar(query)
        return found

    def pending_fetches(self, sync_id: UUID) -> list[PendingFetch]:
        """Objects whose new state is still to be fetched, the oldest change first."""
        query = (
            sa.select(_pending).where(_pending.c.sync_id == sync_id).order_by(_pending.c.changed_at)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                PendingFetch(
                    row.collection_id,
                    row.upstream_id,
                    row.locator,
                    row.changed_at,
                    None if row.fields is None else tuple(row.fields),
                )
                for row in connection.execute(query)
            ]

    def prune_processed_events(self, sync_id: UUID, now: datetime) -> int:
        """Delete processed Stripe events that Stripe no longer lists, and old figures by minute.

        Returns:
            Number of deleted Stripe events.
        """
        processed = sa.delete(_processed).where(
            _processed.c.sync_id == sync_id, _processed.c.created < now - PROCESSED_RETENTION
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            for column in _MINUTES:
                old = sa.delete(column.table).where(column < now - ACTIVITY_RETENTION)
                if "sync_id" in column.table.c:
                    old = old.where(column.table.c.sync_id == sync_id)
                connection.execute(old)
            return connection.execute(processed).rowcount


_RENEW = sa.text("""
UPDATE stripe_sync.poll_state AS p SET
    lease_until = clock_timestamp() + make_interval(secs => :seconds),
    polls = p.polls + h.polls, requests = p.requests + h.requests,
    rate_limited = p.rate_limited + h.rate_limited,
    polled_at = greatest(p.polled_at, h.polled_at),
    events_until = greatest(p.events_until, h.events_until)
FROM unnest(cast(:sync_id AS uuid[]), cast(:polls AS bigint[]), cast(:requests AS bigint[]),
    cast(:rate_limited AS bigint[]), cast(:polled_at AS timestamptz[]),
    cast(:events_until AS timestamptz[]))
    AS h (sync_id, polls, requests, rate_limited, polled_at, events_until)
WHERE p.sync_id = h.sync_id AND p.lease_owner = :owner
RETURNING p.sync_id
""")

_MESSAGE = sa.text("""
UPDATE stripe_sync.poll_state AS p
SET message = :message, message_at = clock_timestamp(), key_problem = :key_problem
FROM stripe_sync.syncs AS s
WHERE s.id = p.sync_id AND s.name = :name AND p.message IS DISTINCT FROM :message
""")


def _unknown_sync(sync_id: UUID) -> WarehouseError:
    return WarehouseError(f"the warehouse has no sync {sync_id}")
