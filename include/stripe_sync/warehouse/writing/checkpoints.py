"""Checkpoints of backfills and pollers, written in the transaction of their data.

``sync/backfill/writer.py`` decides when a backfill has one, ``sync/poll/poller.py`` for polling.
"""

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
    sync_id, collection_id, status, generation, chunk, cursor, objects, requests, percent,
    objects_per_second, eta, updated_at)
VALUES (%(sync_id)s, %(collection_id)s, 'running', %(generation)s, %(chunk)s, %(cursor)s,
    %(objects)s, %(requests)s, %(percent)s, %(objects_per_second)s,
    now() + make_interval(secs => %(seconds_left)s), %(now)s)
ON CONFLICT (sync_id, collection_id) DO UPDATE SET
    generation = excluded.generation, chunk = excluded.chunk, cursor = excluded.cursor,
    objects = excluded.objects, requests = excluded.requests, percent = excluded.percent,
    objects_per_second = excluded.objects_per_second, eta = excluded.eta,
    updated_at = excluded.updated_at
"""

_POLL_STATE = """
UPDATE stripe_sync.poll_state SET
    cursor = coalesce(%(cursor)s, cursor),
    stripe_events = stripe_events + %(stripe_events)s, changes = changes + %(changes)s
WHERE sync_id = %(sync_id)s
    AND (%(owner)s::text IS NULL OR lease_owner IS NOT DISTINCT FROM %(owner)s)
"""

_LATENCIES = """
SELECT stripe_sync.save_latencies(%(sync_id)s, %(now)s, %(within)s::numeric[], %(counts)s::bigint[])
"""

# changed_at stays that of the oldest change.
_QUEUE_PENDING = """
INSERT INTO stripe_sync.pending_fetches AS p (
    sync_id, collection_id, upstream_id, locator, changed_at, fields, queued_at)
SELECT %(sync_id)s, u.collection_id, u.upstream_id, u.locator, u.changed_at, u.fields, %(now)s
FROM unnest(%(collections)s::text[], %(upstreams)s::text[], %(locators)s::jsonb[],
    %(changed)s::timestamptz[], %(fields)s::jsonb[])
    AS u (collection_id, upstream_id, locator, changed_at, fields)
ON CONFLICT (sync_id, collection_id, upstream_id) DO UPDATE SET
    locator = excluded.locator, fields = excluded.fields, queued_at = excluded.queued_at
"""

# A change that was queued after the request was sent may not be in the response.
_DELETE_FETCHED = """
DELETE FROM stripe_sync.pending_fetches AS p
USING unnest(%(collections)s::text[], %(upstreams)s::text[], %(fetched)s::timestamptz[])
    AS u (collection_id, upstream_id, fetched_at)
WHERE p.sync_id = %(sync_id)s AND p.collection_id = u.collection_id COLLATE "C"
    AND p.upstream_id = u.upstream_id COLLATE "C" AND p.queued_at < u.fetched_at
"""


def save_backfill(
    cursor: psycopg.Cursor[Any], sync_id: UUID, checkpoint: Checkpoint, now: datetime
) -> None:
    """Write the progress of a collection's backfill.

    Args:
        cursor: In the transaction of the data.
        sync_id: The sync.
        checkpoint: The progress.
        now: Time of the write.
    """
    parameters = {**asdict(checkpoint), "sync_id": sync_id, "now": now}
    parameters["cursor"] = Jsonb(checkpoint.cursor, canonical_json.dumps)
    cursor.execute(_BACKFILL, parameters)


def save_poll(
    cursor: psycopg.Cursor[Any], sync_id: UUID, poll: PollCheckpoint, changes: int, now: datetime
) -> bool:
    """Write the progress of polling.

    Args:
        cursor: In the transaction of the data.
        sync_id: The sync.
        poll: The progress.
        changes: Number of change events that the transaction writes.
        now: Time of the write.

    Returns:
        False when the sync does not exist or another owner holds the lease: do not commit.
    """
    common = {"sync_id": sync_id, "now": now}
    cursor.execute(
        _POLL_STATE,
        {
            **common,
            "cursor": None if poll.cursor is None else Jsonb(poll.cursor, canonical_json.dumps),
            "stripe_events": poll.stripe_events,
            "changes": changes,
            "owner": poll.owner,
        },
    )
    if cursor.rowcount == 0:
        return False
    if poll.latencies:
        latencies = {"within": list(poll.latencies), "counts": list(poll.latencies.values())}
        cursor.execute(_LATENCIES, {**common, **latencies})
    # Deleted first: what this transaction queues stays.
    if poll.fetched:
        collections, upstreams, fetched = zip(*poll.fetched, strict=True)
        keys = {"collections": list(collections), "upstreams": list(upstreams)}
        cursor.execute(_DELETE_FETCHED, {**common, **keys, "fetched": list(fetched)})
    if poll.pending:
        cursor.execute(
            _QUEUE_PENDING,
            {
                **common,
                "collections": [each.collection_id for each in poll.pending],
                "upstreams": [each.upstream_id for each in poll.pending],
                "locators": [canonical_json.dumps(each.locator).decode() for each in poll.pending],
                "changed": [each.changed_at for each in poll.pending],
                "fields": [
                    None if each.fields is None else canonical_json.dumps(each.fields).decode()
                    for each in poll.pending
                ],
            },
        )
    return True
