"""How far backfills and pollers have come, written in the transaction of their data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from stripe_sync.records import Checkpoint, PollCheckpoint, canonical_json

_BACKFILL = """
INSERT INTO stripe_sync.collection_state AS c (
    sync_id, collection_id, status, generation, chunk, position, objects, requests, percent,
    objects_per_second, eta, updated_at)
VALUES (%(sync_id)s, %(collection_id)s, 'running', %(generation)s, %(chunk)s, %(position)s,
    %(objects)s, %(requests)s, %(percent)s, %(objects_per_second)s,
    now() + make_interval(secs => %(seconds_left)s), %(now)s)
ON CONFLICT (sync_id, collection_id) DO UPDATE SET
    generation = excluded.generation, chunk = excluded.chunk, position = excluded.position,
    objects = excluded.objects, requests = excluded.requests, percent = excluded.percent,
    objects_per_second = excluded.objects_per_second, eta = excluded.eta,
    updated_at = excluded.updated_at
"""

_STATE = """
UPDATE stripe_sync.poll_state SET
    position = coalesce(%(position)s, position),
    stripe_events = stripe_events + %(stripe_events)s, changes = changes + %(changes)s
WHERE sync_id = %(sync_id)s
    AND (%(owner)s::text IS NULL OR lease_owner IS NOT DISTINCT FROM %(owner)s)
"""

_LAGS = """
INSERT INTO stripe_sync.poll_lag AS l (sync_id, minute, within_seconds, stripe_events)
SELECT %(sync_id)s, date_trunc('minute', %(now)s::timestamptz), u.within_seconds, u.stripe_events
FROM unnest(%(within)s::numeric[], %(counts)s::bigint[]) AS u (within_seconds, stripe_events)
ON CONFLICT (sync_id, minute, within_seconds) DO UPDATE SET
    stripe_events = l.stripe_events + excluded.stripe_events
"""

_WAITING = """
INSERT INTO stripe_sync.fetch_queue AS q (
    sync_id, collection_id, upstream_id, seen, changed_at, noted_at)
SELECT %(sync_id)s, u.collection_id, u.upstream_id, u.seen, u.changed_at, %(now)s
FROM unnest(%(collections)s::text[], %(upstreams)s::text[], %(seen)s::jsonb[],
    %(changed)s::timestamptz[]) AS u (collection_id, upstream_id, seen, changed_at)
ON CONFLICT (sync_id, collection_id, upstream_id) DO UPDATE SET
    seen = excluded.seen, noted_at = excluded.noted_at
"""

# What was noted after the request was sent is not in its answer for certain.
_FETCHED = """
DELETE FROM stripe_sync.fetch_queue AS q
USING unnest(%(collections)s::text[], %(upstreams)s::text[], %(fetched)s::timestamptz[])
    AS u (collection_id, upstream_id, fetched_at)
WHERE q.sync_id = %(sync_id)s AND q.collection_id = u.collection_id COLLATE "C"
    AND q.upstream_id = u.upstream_id COLLATE "C" AND q.noted_at < u.fetched_at
"""


def save_backfill(
    cursor: psycopg.Cursor[Any], sync_id: UUID, checkpoint: Checkpoint, now: datetime
) -> None:
    """Write how far the backfill of a collection has come.

    Args:
        cursor: In the transaction of the data.
        sync_id: The sync.
        checkpoint: How far.
        now: When it is written.
    """
    given = {**asdict(checkpoint), "sync_id": sync_id, "now": now}
    cursor.execute(
        _BACKFILL, {**given, "position": Jsonb(checkpoint.position, canonical_json.dumps)}
    )


def save_poll(
    cursor: psycopg.Cursor[Any], sync_id: UUID, poll: PollCheckpoint, changes: int, now: datetime
) -> bool:
    """Write how far polling has come.

    Args:
        cursor: In the transaction of the data.
        sync_id: The sync.
        poll: The checkpoint.
        changes: Change events that the transaction writes.
        now: When it writes them.

    Returns:
        False where the sync is unknown, or somebody else holds the lease: nothing may be committed.
    """
    common = {"sync_id": sync_id, "now": now}
    cursor.execute(
        _STATE,
        {
            **common,
            "position": None
            if poll.position is None
            else Jsonb(poll.position, canonical_json.dumps),
            "stripe_events": poll.stripe_events,
            "changes": changes,
            "owner": poll.owner,
        },
    )
    if cursor.rowcount == 0:
        return False
    if poll.lags:
        lags = {"within": list(poll.lags), "counts": list(poll.lags.values())}
        cursor.execute(_LAGS, {**common, **lags})
    # Taken out first: what is noted in this transaction stays.
    if poll.fetched:
        collections, upstreams, fetched = zip(*poll.fetched, strict=True)
        keys = {"collections": list(collections), "upstreams": list(upstreams)}
        cursor.execute(_FETCHED, {**common, **keys, "fetched": list(fetched)})
    if poll.waiting:
        cursor.execute(
            _WAITING,
            {
                **common,
                "collections": [each.collection_id for each in poll.waiting],
                "upstreams": [each.upstream_id for each in poll.waiting],
                "seen": [canonical_json.dumps(each.seen).decode() for each in poll.waiting],
                "changed": [each.changed_at for each in poll.waiting],
            },
        )
    return True
