"""What syncs do, in figures: objects, changes, freshness, requests; over all syncs, over time.

No query reads ``stripe_raw``: with 10,000,000 records an answer takes as long as with ten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain

# Syncs with collections that are pending or running.
_BACKFILLS = sa.text("""
WITH chosen AS MATERIALIZED (
    SELECT c.sync_id, c.requests, c.percent, c.started_at, c.finished_at, c.updated_at,
        c.status IN ('pending', 'running') AS unfinished,
        -- A pending collection without a cursor has the figures of its last backfill.
        c.status = 'pending' AND c.cursor IS NULL AS waits
    FROM stripe_sync.collection_state AS c
    JOIN stripe_sync.syncs AS s
        ON s.id = c.sync_id AND (s.collections IS NULL OR c.collection_id = ANY (s.collections))
), begun AS (
    SELECT sync_id, requests, percent, unfinished, waits,
        CASE WHEN waits THEN updated_at
            ELSE coalesce(started_at, finished_at, updated_at) END AS started_at,
        CASE WHEN unfinished THEN 'infinity' ELSE coalesce(finished_at, updated_at) END
            AS finished_at
    FROM chosen WHERE sync_id IN (SELECT sync_id FROM chosen WHERE unfinished)
), chained AS (
    SELECT *, max(finished_at) OVER (
        PARTITION BY sync_id ORDER BY started_at
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS others_until
    FROM begun
), runs AS (
    -- Collections belong to one backfill if no ten minutes passed between them.
    SELECT *, max(started_at) FILTER (
        WHERE others_until IS NULL OR started_at > others_until + interval '10 minutes'
    ) OVER (PARTITION BY sync_id) AS run_started_at
    FROM chained
), sized AS (
    -- Requests that the collection takes in all, estimated from those sent so far.
    SELECT sync_id, unfinished,
        CASE WHEN waits THEN 0 WHEN unfinished THEN coalesce(percent, 0) ELSE 100 END AS percent,
        CASE WHEN waits OR NOT unfinished THEN nullif(requests, 0)
            WHEN percent > 0 THEN requests * 100 / percent END AS size
    FROM runs WHERE started_at >= run_started_at
)
SELECT sync_id, (sum(percent * size) / sum(size))::float8 AS percent
FROM (
    SELECT sync_id, percent,
        greatest(1, coalesce(size, avg(size) OVER (PARTITION BY sync_id), 1)) AS size
    FROM sized
) AS weighed
GROUP BY sync_id
""")

# Each sync's rows of the last minutes are found by the primary keys: the tables have two days.
# The minute that has begun counts with the share that has passed.
_FIGURES = sa.text("""
WITH counts AS (
    SELECT sync_id, sum(records)::bigint AS objects
    FROM stripe_sync.collection_counts GROUP BY sync_id
)
SELECT s.id AS sync_id, p.polled_at, latency.p50 AS freshness_p50, latency.p99 AS freshness_p99,
    coalesce(counts.objects, 0) AS objects, changes.per_minute AS change_events_per_minute,
    requests.per_second AS requests_per_second, reads.reads AS reads_30_days,
    CASE WHEN p.transactions IS NOT NULL THEN greatest(10000, 500 * p.transactions) END
        AS reads_allocation,
    EXISTS (SELECT FROM stripe_sync.collection_state AS c WHERE c.sync_id = s.id)
        AS was_backfilled
FROM stripe_sync.syncs AS s
CROSS JOIN LATERAL (
    SELECT s.account_id || CASE WHEN s.livemode THEN '\\:live' ELSE '\\:test' END AS key,
        date_trunc('minute', now()) AS minute,
        extract(epoch FROM now() - date_trunc('minute', now()))::float8 AS seconds
) AS account
LEFT JOIN stripe_sync.poll_state AS p ON p.sync_id = s.id
LEFT JOIN counts ON counts.sync_id = s.id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(c.change_events), 0)::float8 * 60 / (account.seconds + 240) AS per_minute
    FROM stripe_sync.changes_by_minute AS c
    WHERE c.sync_id = s.id AND c.minute >= account.minute - interval '4 minutes'
) AS changes
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.requests), 0)::float8 / (account.seconds + 60) AS per_second
    FROM stripe_sync.requests_by_minute AS r
    WHERE r.account_key = account.key AND r.minute >= account.minute - interval '1 minute'
) AS requests
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.reads), 0)::bigint AS reads FROM stripe_sync.stripe_reads AS r
    WHERE r.account_key = account.key AND r.day > (now() AT TIME ZONE 'UTC')::date - 30
) AS reads
CROSS JOIN LATERAL (
    SELECT (min(within_seconds) FILTER (WHERE share >= 0.5))::float8 AS p50,
        (min(within_seconds) FILTER (WHERE share >= 0.99))::float8 AS p99
    FROM (
        SELECT within_seconds, sum(sum(stripe_events)) OVER (ORDER BY within_seconds)
            / sum(sum(stripe_events)) OVER () AS share
        FROM stripe_sync.poll_latency_by_half_hour AS l
        WHERE l.sync_id = s.id
            AND l.half_hour >= date_bin('30 minutes', now(), 'epoch') - interval '30 minutes'
        GROUP BY within_seconds
    ) AS shares
) AS latency
""")

_FRESHNESS_OF_ALL = sa.text("""
SELECT sync_id, array_agg(extract(epoch FROM half_hour)::bigint) AS at, array_agg(p50) AS p50,
    array_agg(p99) AS p99, array_agg(stripe_events) AS stripe_events
FROM stripe_sync.latency_percentiles WHERE half_hour >= :since GROUP BY sync_id
""")

_FRESHNESS_OF_SYNC = sa.text("""
WITH latencies AS (
    SELECT date_bin(:step, minute, 'epoch') AS at, within_seconds,
        sum(stripe_events) AS stripe_events
    FROM stripe_sync.poll_latency WHERE sync_id = :sync_id AND minute >= :since GROUP BY 1, 2
), shares AS (
    SELECT *, sum(stripe_events) OVER (PARTITION BY at ORDER BY within_seconds) AS below,
        sum(stripe_events) OVER (PARTITION BY at) AS total
    FROM latencies
)
SELECT extract(epoch FROM at)::bigint AS at,
    (min(within_seconds) FILTER (WHERE below >= 0.5 * total))::float8 AS p50,
    (min(within_seconds) FILTER (WHERE below >= 0.99 * total))::float8 AS p99,
    max(total)::bigint AS stripe_events
FROM shares GROUP BY at
""")

_REQUESTS = sa.text("""
SELECT date_bin(:step, minute, 'epoch') AS at, kind, sum(requests)::float8 AS requests
FROM stripe_sync.requests_by_minute
WHERE account_key = :account_key AND minute >= :since GROUP BY 1, 2
""")

_READS = sa.text("""
SELECT day, reads FROM stripe_sync.stripe_reads
WHERE account_key = :account_key AND day >= :since
""")


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """Figures of one sync.

    Attributes:
        sync_id: The sync.
        polled_at: Last poll that Stripe answered; None for never.
        freshness_p50: Median of the seconds from the change in Stripe to the commit, in this half
            hour and the one before; None without Stripe events.
        freshness_p99: 99th percentile of the same.
        objects: Records that are not deleted.
        change_events_per_minute: Change events written, in the last five minutes.
        requests_per_second: Requests for the account, of all its syncs, in the last minute.
        reads_30_days: GET requests for the account in 30 days, of all its syncs.
        reads_allocation: Stripe's allotment of them; None as long as it is unknown.
        was_backfilled: Whether one of its collections was ever queued.
        percent: Progress of the backfill that is pending or running; None for no such.
    """

    sync_id: UUID
    polled_at: datetime | None
    freshness_p50: float | None
    freshness_p99: float | None
    objects: int
    change_events_per_minute: float
    requests_per_second: float
    reads_30_days: int
    reads_allocation: int | None
    was_backfilled: bool
    percent: float | None


@dataclass(frozen=True, slots=True)
class FreshnessPoint:
    """Seconds from changes in Stripe to their commit, in one period.

    Attributes:
        at: Its begin.
        p50: Median; None without Stripe events.
        p99: 99th percentile; None without Stripe events.
        stripe_events: Number of Stripe events processed in it.
    """

    at: datetime
    p50: float | None
    p99: float | None
    stripe_events: int


@dataclass(frozen=True, slots=True)
class RequestPoint:
    """Requests for an account in one period, by all its syncs: average for each second.

    Attributes:
        at: Its begin.
        backfill: By backfills.
        poll: By polling.
        reconcile: By reconciles.
        mutation: By mutations and calls of the proxy.
    """

    at: datetime
    backfill: float
    poll: float
    reconcile: float
    mutation: float


@dataclass(frozen=True, slots=True)
class ReadsPoint:
    """GET requests for an account on one day (UTC), by all its syncs."""

    day: date
    reads: int


class Activity:
    """Reads what syncs do."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def figures(self) -> dict[UUID, SyncFigures]:
        """The figures of all syncs, by their ids."""
        percents = {row["sync_id"]: row["percent"] for row in self._rows(_BACKFILLS, {})}
        return {
            row["sync_id"]: SyncFigures(**row, percent=percents.get(row["sync_id"]))
            for row in self._rows(_FIGURES, {})
        }

    def freshness_of_all(
        self, half_hours: Sequence[datetime]
    ) -> dict[UUID, tuple[FreshnessPoint, ...]]:
        """Freshness of all syncs in half hours, by their ids; without those with no Stripe event.

        Args:
            half_hours: Begins of the half hours, ascending.
        """
        seconds = _unix(half_hours)
        return {
            row["sync_id"]: _points(
                zip(row["at"], row["p50"], row["p99"], row["stripe_events"], strict=True), seconds
            )
            for row in self._rows(_FRESHNESS_OF_ALL, {"since": half_hours[0]})
        }

    def freshness(self, sync_id: UUID, times: Sequence[datetime]) -> tuple[FreshnessPoint, ...]:
        """Freshness of a sync.

        Args:
            sync_id: The sync.
            times: Begins of the periods, ascending, whole minutes, equally long since 1970.
        """
        rows = self._rows(_FRESHNESS_OF_SYNC, {**_since(times), "sync_id": sync_id})
        found = [(row["at"], row["p50"], row["p99"], row["stripe_events"]) for row in rows]
        return _points(found, _unix(times))

    def requests(self, account_key: str, times: Sequence[datetime]) -> tuple[RequestPoint, ...]:
        """Requests for an account over time.

        Args:
            account_key: ``acct_…:live`` or ``acct_…:test``.
            times: As for ``freshness``.
        """
        seconds = (times[1] - times[0]).total_seconds()
        found: dict[datetime, dict[str, float]] = defaultdict(dict)
        for row in self._rows(_REQUESTS, {**_since(times), "account_key": account_key}):
            found[row["at"]][row["kind"]] = row["requests"] / seconds
        kinds = ("backfill", "poll", "reconcile", "mutation")
        return tuple(
            RequestPoint(at, *(found[at].get(kind, 0.0) if at in found else 0.0 for kind in kinds))
            for at in times
        )

    def reads(self, account_key: str, today: date) -> tuple[ReadsPoint, ...]:
        """GET requests for an account on each of the last 30 days.

        Args:
            account_key: As for ``requests``.
            today: The last day (UTC).
        """
        days = [today - timedelta(days=before) for before in range(29, -1, -1)]
        rows = self._rows(_READS, {"account_key": account_key, "since": days[0]})
        found = {row["day"]: row["reads"] for row in rows}
        return tuple(ReadsPoint(day, found.get(day, 0)) for day in days)

    def _rows(self, query: sa.TextClause, values: Mapping[str, Any]) -> Sequence[sa.RowMapping]:
        with explain(self.engine.url), self.engine.connect() as connection:
            return connection.execute(query, values).mappings().all()


def _points(
    found: Iterable[tuple[int, float, float, int]], times: Mapping[int, datetime]
) -> tuple[FreshnessPoint, ...]:
    """A point for each time, from Unix seconds with percentiles and Stripe events."""
    values = {at: rest for at, *rest in found}
    nothing = (None, None, 0)
    return tuple(FreshnessPoint(at, *values.get(seconds, nothing)) for seconds, at in times.items())


def _unix(times: Sequence[datetime]) -> dict[int, datetime]:
    """Times by their Unix seconds."""
    return {round(at.timestamp()): at for at in times}


def _since(times: Sequence[datetime]) -> dict[str, object]:
    return {"step": times[1] - times[0], "since": times[0]}
