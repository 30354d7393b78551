"""Compares the counts that the warehouse keeps with the rows that it has."""

from __future__ import annotations

from typing import Any

import psycopg

_WRONG = """
WITH stored AS (
    SELECT sync_id, collection_id, sum(records) AS records, sum(deleted) AS deleted,
        sum(change_events) AS change_events, max(changed_at) AS changed_at
    FROM (
        SELECT sync_id, collection_id, count(*) FILTER (WHERE NOT deleted) AS records,
            count(*) FILTER (WHERE deleted) AS deleted, 0 AS change_events,
            max(updated_at) AS changed_at
        FROM stripe_raw.records GROUP BY sync_id, collection_id
        UNION ALL
        SELECT sync_id, collection_id, 0, 0, count(*), NULL
        FROM stripe_raw.events GROUP BY sync_id, collection_id
    ) AS parts
    GROUP BY sync_id, collection_id
)
SELECT s.*, c.* FROM stored AS s
FULL JOIN stripe_sync.collection_counts AS c USING (sync_id, collection_id)
WHERE (coalesce(s.records, 0), coalesce(s.deleted, 0), coalesce(s.change_events, 0))
        IS DISTINCT FROM (c.records, c.deleted, c.change_events)
    OR s.changed_at > c.last_change_at IS NOT FALSE AND s.changed_at IS NOT NULL
"""


def wrong_counts(url: str) -> list[Any]:
    """Collections whose counts differ from their rows; none without tables."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('stripe_sync.collection_counts')")
        if found.fetchone() == (None,):
            return []
        return connection.execute(_WRONG).fetchall()
