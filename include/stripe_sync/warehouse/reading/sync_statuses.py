"""What the warehouse knows about the state of a sync: polling, gaps, every collection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain

_POLLING = sa.text("""
WITH latencies AS (
    SELECT within_seconds,
        sum(sum(stripe_events)) OVER (ORDER BY within_seconds) / sum(sum(stripe_events)) OVER ()
            AS share
    FROM stripe_sync.poll_latency
    WHERE sync_id = :sync_id AND minute > now() - interval '1 hour' GROUP BY within_seconds
)
SELECT coalesce(p.lease_until > now(), false) AS is_running, p.polled_at, p.polls, p.requests,
    p.rate_limited, p.stripe_events, p.changes,
    (SELECT min(within_seconds) FROM latencies WHERE share >= 0.5)::float8 AS lag_p50,
    (SELECT min(within_seconds) FROM latencies WHERE share >= 0.99)::float8 AS lag_p99,
    (SELECT count(*) FROM stripe_sync.pending_fetches AS f WHERE f.sync_id = p.sync_id)
        AS pending_fetches,
    (SELECT coalesce(sum(r.reads), 0)::bigint FROM stripe_sync.stripe_reads AS r
        WHERE r.day > (now() AT TIME ZONE 'UTC')::date - 30 AND r.account_key
            = s.account_id || CASE WHEN s.livemode THEN '\\:live' ELSE '\\:test' END)
        AS reads_30_days,
    CASE WHEN p.transactions IS NOT NULL THEN greatest(10000, 500 * p.transactions) END
        AS reads_allocation
FROM stripe_sync.poll_state AS p JOIN stripe_sync.syncs AS s ON s.id = p.sync_id
WHERE p.sync_id = :sync_id
""")

_GAPS = sa.text("""
SELECT began_at, ended_at, reason, reconciled_at FROM stripe_sync.retention_gaps
WHERE sync_id = :sync_id ORDER BY began_at DESC LIMIT 10
""")

_COLLECTIONS = sa.text("""
SELECT c.collection_id, c.status, c.message, c.permission, c.generation, c.objects, c.requests,
    c.percent::float8, c.objects_per_second::float8, c.eta, c.seconds::float8, c.started_at,
    c.finished_at, c.updated_at, r.reconciled_at, r.drift,
    (SELECT count(*) FROM stripe_sync.set_aside AS a
        WHERE a.sync_id = c.sync_id AND a.collection_id = c.collection_id) AS set_aside,
    coalesce(n.records, 0) AS records, coalesce(n.change_events, 0) AS change_events,
    n.last_change_at
FROM stripe_sync.collection_state AS c
LEFT JOIN stripe_sync.collection_counts AS n
    ON n.sync_id = c.sync_id AND n.collection_id = c.collection_id
LEFT JOIN LATERAL (
    SELECT reconciled_at, drift FROM stripe_sync.reconcile_state AS r
    WHERE r.sync_id = c.sync_id AND r.collection_id = c.collection_id
    ORDER BY reconciled_at DESC NULLS LAST LIMIT 1
) AS r ON true
WHERE c.sync_id = :sync_id ORDER BY c.collection_id
""")

_KEYS = sa.text("""
SELECT s.id AS sync_id, p.polled_at, p.message, p.message_at, p.key_problem, f.forbidden,
    f.forbidden_at
FROM stripe_sync.syncs AS s
LEFT JOIN stripe_sync.poll_state AS p ON p.sync_id = s.id
CROSS JOIN LATERAL (
    SELECT max(c.updated_at) AS forbidden_at, coalesce(array_agg(
        c.collection_id || coalesce(' (' || c.permission || ')', '') ORDER BY c.collection_id),
        '{}') AS forbidden
    FROM stripe_sync.collection_state AS c
    WHERE c.sync_id = s.id AND c.status = 'forbidden'
        AND (s.collections IS NULL OR c.collection_id = ANY (s.collections))
) AS f
""")


@dataclass(frozen=True, slots=True)
class KeyState:
    """What polling and backfills of a sync have met with its key.

    Attributes:
        sync_id: The sync.
        polled_at: Last poll that Stripe answered; None for never.
        message: Error that keeps it from being polled; None for no error.
        message_at: When that last changed.
        key_problem: ``refused`` or ``limited``, if that error is about the key.
        forbidden: Collections that the key may not read, with the permission that it lacks.
        forbidden_at: When the last of them was found; None for no such collection.
    """

    sync_id: UUID
    polled_at: datetime | None
    message: str | None
    message_at: datetime | None
    key_problem: str | None
    forbidden: tuple[str, ...]
    forbidden_at: datetime | None


@dataclass(frozen=True, slots=True)
class PollingStatus:
    """Polling of a sync.

    Attributes:
        is_running: Whether a process polls it now.
        polled_at: Last poll that Stripe answered; None for never.
        polls: Number of polls.
        requests: Number of requests by polling.
        rate_limited: Number of 429 responses to those.
        stripe_events: Number of Stripe events processed.
        changes: Number of change events written by polling.
        lag_p50: Median of the seconds from the change in Stripe to the commit, in the last hour.
        lag_p99: 99th percentile of the same; None without Stripe events.
        pending_fetches: Objects whose new state is still to be fetched.
        reads_30_days: GET requests for the account in 30 days, of all its syncs.
        reads_allocation: Stripe's allotment of them; None as long as it is unknown.
    """

    is_running: bool
    polled_at: datetime | None
    polls: int
    requests: int
    rate_limited: int
    stripe_events: int
    changes: int
    lag_p50: float | None
    lag_p99: float | None
    pending_fetches: int
    reads_30_days: int
    reads_allocation: int | None


@dataclass(frozen=True, slots=True)
class GapStatus:
    """A period whose Stripe events are missing.

    Attributes:
        began_at: Last poll before it.
        ended_at: First poll after it; None for not polled yet.
        reason: Why Stripe events are missing.
        reconciled_at: When everything was read again; None for not yet.
    """

    began_at: datetime
    ended_at: datetime | None
    reason: str
    reconciled_at: datetime | None


@dataclass(frozen=True, slots=True)
class CollectionStatusRow:
    """State of one collection.

    Attributes:
        collection_id: ``stripe:customer``.
        status: Of its backfill.
        message: Reason of the status.
        permission: ``rak_…`` permission that the key lacks.
        generation: Number of full backfills started.
        objects: Objects read in this one.
        requests: Requests sent in this one.
        percent: Progress, 0 to 100; None for unknown.
        objects_per_second: Speed of the last run.
        eta: When the run will be done; None for unknown.
        seconds: Duration of the last run.
        started_at: When this backfill started.
        finished_at: When it ended.
        updated_at: When this last changed.
        reconciled_at: When it was last reconciled.
        drift: Number of differences that were found then.
        set_aside: Objects that cannot be stored as records.
        records: Records that are not deleted.
        change_events: Change events in the warehouse.
        last_change_at: When the newest change event was stored; None for no record.
    """

    collection_id: str
    status: str
    message: str | None
    permission: str | None
    generation: int
    objects: int
    requests: int
    percent: float | None
    objects_per_second: float | None
    eta: datetime | None
    seconds: float | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    reconciled_at: datetime | None
    drift: int | None
    set_aside: int
    records: int
    change_events: int
    last_change_at: datetime | None


class SyncStatuses:
    """Reads the state of syncs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def polling(self, sync_id: UUID) -> PollingStatus:
        """Polling of a sync that exists."""
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(_POLLING, {"sync_id": sync_id}).mappings().one()
        return PollingStatus(**row)

    def gaps(self, sync_id: UUID) -> list[GapStatus]:
        """The last ten periods whose Stripe events are missing, newest first."""
        with explain(self.engine.url), self.engine.connect() as connection:
            rows = connection.execute(_GAPS, {"sync_id": sync_id}).mappings()
            return [GapStatus(**row) for row in rows]

    def collections(self, sync_id: UUID) -> list[CollectionStatusRow]:
        """Every collection that was ever queued or run, by id."""
        with explain(self.engine.url), self.engine.connect() as connection:
            rows = connection.execute(_COLLECTIONS, {"sync_id": sync_id}).mappings()
            return [CollectionStatusRow(**row) for row in rows]

    def key_states(self) -> list[KeyState]:
        """What was met with the key of each sync."""
        with explain(self.engine.url), self.engine.connect() as connection:
            rows = connection.execute(_KEYS).mappings()
            return [KeyState(**{**row, "forbidden": tuple(row["forbidden"])}) for row in rows]

    def now(self) -> datetime:
        """The warehouse's time."""
        with explain(self.engine.url), self.engine.connect() as connection:
            now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return now
