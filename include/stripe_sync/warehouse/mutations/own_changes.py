"""Change events that mutations wrote: stored with them, found when Stripe reports them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.records import (
    Batch,
    ChangeType,
    ExecutedMutation,
    OwnChange,
    OwnChanges,
    canonical_json,
)

Cursor = psycopg.Cursor[tuple[Any, ...]]

_FIND = """
SELECT e.collection_id, e.upstream_id, c.seq, c.request_id, e.event_type, e.changes::text
FROM stripe_sync.mutation_changes AS c
JOIN stripe_raw.events AS e USING (sync_id, seq)
WHERE c.sync_id = %(sync_id)s AND c.request_id = ANY (%(request_ids)s)
    AND c.stripe_event_id IS NULL
ORDER BY c.seq
"""

# A Stripe event of the request made a change event of the record, or a read found the change.
_REPORTED = """
SELECT EXISTS (
    SELECT FROM stripe_raw.events AS e
    WHERE e.sync_id = %(sync_id)s AND e.collection_id = %(collection_id)s COLLATE "C"
        AND e.upstream_id = %(upstream_id)s COLLATE "C" AND e.created_at > %(since)s
        AND CASE WHEN e.stripe_event_id IS NULL THEN e.source <> 'mutation' ELSE EXISTS (
            SELECT FROM stripe_sync.processed_events AS p
            WHERE p.sync_id = %(sync_id)s AND p.stripe_event_id = e.stripe_event_id
                AND p.request_id = %(request_id)s
        ) END
)
"""

# The rows that the transaction has just written are the last ones of the stream.
_SAVE = """
INSERT INTO stripe_sync.mutation_changes (sync_id, seq, request_id)
SELECT %(sync_id)s, seq, %(request_id)s
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS seq
"""

_MARK = """
UPDATE stripe_sync.mutation_changes AS c SET stripe_event_id = e.id
FROM unnest(%(ids)s::text[], %(seqs)s::bigint[]) AS e (id, seq)
WHERE c.sync_id = %(sync_id)s AND c.seq = e.seq
"""

# The record has its seq after the merge, also where another process stored the same state before.
_FINISH = """
UPDATE stripe_sync.mutations AS m
SET status = 'done', finished_at = clock_timestamp(), body = NULL, request_id = %(request_id)s,
    result_collection_id = %(collection_id)s, upstream_id = %(upstream_id)s, error = NULL,
    seq = (
        SELECT r.seq FROM stripe_raw.records AS r
        WHERE r.sync_id = %(sync_id)s AND r.collection_id = %(collection_id)s COLLATE "C"
            AND r.upstream_id = %(upstream_id)s COLLATE "C"
    )
WHERE m.sync_id = %(sync_id)s AND m.key = %(key)s AND m.position = %(position)s
RETURNING m.seq
"""

# A process that died before it stored the answer left its mutation open. The Stripe event shows the
# object, but not whether the answer was an error: only Stripe's own answer to the same key does.
_NOTE = """
UPDATE stripe_sync.mutations AS m
SET request_id = e.request_id, result_collection_id = e.collection_id, upstream_id = e.upstream_id
FROM unnest(
    %(keys)s::text[], %(requests)s::text[], %(collections)s::text[], %(upstreams)s::text[]
) AS e (key, request_id, collection_id, upstream_id)
WHERE m.sync_id = %(sync_id)s AND m.idempotency_key = e.key AND m.status = 'sent'
    AND m.collection_id = e.collection_id AND m.request_id IS NULL
"""


def find_own_changes(cursor: Cursor, batch: Batch) -> OwnChanges:
    """Change events of mutations that the Stripe events of a batch may report once more."""
    request_ids = {
        each.stripe_event.request_id
        for each in batch.observations
        if each.stripe_event and each.stripe_event.may_be_mutation
    }
    if not request_ids:
        return {}
    cursor.execute(_FIND, {"sync_id": batch.sync_id, "request_ids": list(request_ids)})
    found: dict[tuple[str, str], list[OwnChange]] = {}
    for collection_id, upstream_id, seq, request_id, event_type, changes in cursor:
        parsed = None if changes is None else canonical_json.loads(changes)
        own = OwnChange(seq, request_id, ChangeType(event_type), parsed)
        found.setdefault((collection_id, upstream_id), []).append(own)
    return found


def is_reported(
    cursor: Cursor, sync_id: UUID, key: tuple[str, str], mutation: ExecutedMutation
) -> bool:
    """Whether the stream has a mutation's change from somebody who was faster.

    Args:
        cursor: Of any transaction.
        sync_id: The sync.
        key: Collection id and upstream id of the record.
        mutation: The mutation.
    """
    values = {
        "sync_id": sync_id,
        "collection_id": key[0],
        "upstream_id": key[1],
        "since": mutation.requested_at,
        "request_id": mutation.request_id,
    }
    row = cursor.execute(_REPORTED, values).fetchone()
    return bool(row and row[0])


def save_own_changes(cursor: Cursor, batch: Batch, last_seq: int, count: int) -> None:
    """Remember the change events that a mutation has just written.

    Args:
        cursor: Of the transaction that wrote them.
        batch: Has the mutation.
        last_seq: Stream position of the last one.
        count: Their number.
    """
    if batch.mutation and batch.mutation.request_id and count:
        values = {
            "sync_id": batch.sync_id,
            "request_id": batch.mutation.request_id,
            "first": last_seq - count + 1,
            "last": last_seq,
        }
        cursor.execute(_SAVE, values)


def mark_echoes(cursor: Cursor, sync_id: UUID, echoes: Mapping[str, int]) -> None:
    """Remember which Stripe event reported a mutation's change, so that no second one does.

    Args:
        cursor: Of the transaction that processes the Stripe events.
        sync_id: The sync.
        echoes: Stream positions by id of the Stripe event.
    """
    if echoes:
        cursor.execute(
            _MARK, {"sync_id": sync_id, "ids": list(echoes), "seqs": list(echoes.values())}
        )


def finish_mutation(cursor: Cursor, batch: Batch) -> int | None:
    """Store that a mutation was executed; returns the stream position of its record, if any."""
    mutation = batch.mutation
    if mutation is None or mutation.key is None:
        return None
    values = {
        "sync_id": batch.sync_id,
        "key": mutation.key,
        "position": mutation.position,
        "request_id": mutation.request_id,
        "collection_id": mutation.collection_id,
        "upstream_id": mutation.upstream_id,
    }
    row = cursor.execute(_FINISH, values).fetchone()
    return None if row is None else row[0]


def note_reported(cursor: Cursor, batch: Batch) -> None:
    """Note the objects of open mutations that Stripe events of a batch report."""
    reported = {
        (stripe_event.idempotency_key, stripe_event.request_id, o.collection_id, o.upstream_id)
        for o in batch.observations
        if (stripe_event := o.stripe_event)
        and stripe_event.idempotency_key
        and stripe_event.may_be_mutation
    }
    if reported:
        keys, requests, collections, upstreams = zip(*sorted(reported, key=str), strict=True)
        values = {
            "sync_id": batch.sync_id,
            "keys": list(keys),
            "requests": list(requests),
            "collections": list(collections),
            "upstreams": list(upstreams),
        }
        cursor.execute(_NOTE, values)
