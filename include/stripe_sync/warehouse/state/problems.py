"""Why syncs are not up to date, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain

# A gap is repaired by the next reconcile; one that stays open for a day is a problem.
_PROBLEMS = sa.text("""
SELECT s.name, problem.text FROM stripe_sync.syncs AS s
LEFT JOIN stripe_sync.poll_state AS p ON p.sync_id = s.id
CROSS JOIN LATERAL (
    SELECT 1 AS place, p.message AS text
    UNION ALL
    SELECT 2, stripe_sync.not_polled_warning(s.status, s.settings, s.created_at, p.polled_at)
    UNION ALL
    SELECT 3, g.reason || ': not reconciled since ' || g.ended_at
    FROM stripe_sync.retention_gaps AS g
    WHERE g.sync_id = s.id AND g.reconciled_at IS NULL AND g.ended_at < now() - interval '1 day'
    UNION ALL
    SELECT 4, 'the backfill of ' || c.collection_id || ' failed: ' || coalesce(c.message, '')
    FROM stripe_sync.collection_state AS c
    WHERE c.sync_id = s.id AND c.status = 'failed'
        AND (s.collections IS NULL OR c.collection_id = ANY (s.collections))
    UNION ALL
    SELECT 5, count(*) || ' changed objects could not be fetched for more than an hour (the first: '
        || min(f.collection_id || ' ' || f.upstream_id)
        || '), their records are as Stripe''s events report them: read the log of stripe_poll'
    FROM stripe_sync.pending_fetches AS f
    WHERE f.sync_id = s.id AND f.changed_at < now() - interval '1 hour'
    HAVING count(*) > 0
    UNION ALL
    SELECT 6, count(*) || ' writes to Stripe have an unknown outcome (the first: '
        || min(m.kind || ' of ' || m.collection_id)
        || '): run them again with the same key within 23 hours, or look for the change in Stripe'
    FROM stripe_sync.mutations AS m
    WHERE m.sync_id = s.id AND m.status = 'sent'
        AND m.sent_at BETWEEN now() - interval '7 days' AND now() - interval '1 hour'
    HAVING count(*) > 0
) AS problem
WHERE s.status IN ('active', 'disconnected') AND problem.text IS NOT NULL
ORDER BY s.name, problem.place, problem.text
""")


@dataclass(frozen=True, slots=True)
class SyncProblem:
    """One reason why a sync is not up to date.

    Attributes:
        sync: Name of the sync.
        text: Cause and remedy.
    """

    sync: str
    text: str

    def __str__(self) -> str:
        """One sentence."""
        return f"sync {self.sync}: {self.text}"


class Problems:
    """Finds the syncs that are not up to date."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def all(self) -> list[SyncProblem]:
        """The problems of all syncs that are not paused; changes nothing in the warehouse.

        Raises:
            WarehouseError: The warehouse cannot be reached, or has no tables.
        """
        with explain(self.engine.url), self.engine.connect() as connection:
            return [SyncProblem(row[0], row[1]) for row in connection.execute(_PROBLEMS)]
