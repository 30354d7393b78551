"""Finds the stored records that a batch touches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.errors import ConcurrentUpdate
from stripe_sync.records import Batch, RecordRow, canonical_json
from stripe_sync.records.changes.diff import RecordKey
from stripe_sync.records.changes.repetitions import StoredChange

# LIMIT makes the planner use one index probe per key, whatever its estimate of the table's size.
_RECORDS = """
SELECT r.id, r.sync_id, r.resource_id, r.collection_id, r.upstream_id, r.deleted, r.payload_hash,
    r.inserted_at, r.updated_at, r.upstream_updated_at, r.updated_idx, r.observed_at, r.api_version,
    r.parent_id
FROM unnest(%(collections)s::text[], %(upstreams)s::text[]) AS k (collection_id, upstream_id)
CROSS JOIN LATERAL (
    SELECT * FROM stripe_raw.records
    WHERE collection_id = k.collection_id COLLATE "C" AND sync_id = %(sync_id)s
        AND upstream_id = k.upstream_id COLLATE "C"
    LIMIT 1
) AS r
"""

_PAYLOADS = """
SELECT r.collection_id, r.upstream_id, r.payload_exact, r.payload::text
FROM unnest(%(collections)s::text[], %(upstreams)s::text[]) AS k (collection_id, upstream_id)
CROSS JOIN LATERAL (
    SELECT * FROM stripe_raw.records
    WHERE collection_id = k.collection_id COLLATE "C" AND sync_id = %(sync_id)s
        AND upstream_id = k.upstream_id COLLATE "C"
    LIMIT 1
) AS r
"""

_LAST_CHANGES = """
SELECT k.collection_id, k.upstream_id, e.changes::text, e.created_at,
    e.stripe_event_id IS NOT NULL, m.request_id
FROM unnest(%(collections)s::text[], %(upstreams)s::text[]) AS k (collection_id, upstream_id)
CROSS JOIN LATERAL (
    SELECT * FROM stripe_raw.events
    WHERE collection_id = k.collection_id COLLATE "C" AND sync_id = %(sync_id)s
        AND upstream_id = k.upstream_id COLLATE "C"
    ORDER BY seq DESC LIMIT %(limit)s
) AS e
LEFT JOIN stripe_sync.mutation_changes AS m ON m.sync_id = %(sync_id)s AND m.seq = e.seq
WHERE e.event_type = 'updated'
ORDER BY e.seq DESC
"""
_MOST_CHANGES = 10

Cursor = psycopg.Cursor[tuple[Any, ...]]


def find_records(
    cursor: Cursor, sync_id: UUID, keys: Collection[RecordKey]
) -> dict[RecordKey, RecordRow]:
    """The records that exist among these keys, with empty payloads."""
    if not keys:
        return {}
    cursor.execute(_RECORDS, _key_parameters(sync_id, keys), binary=True)
    return {(row[3], row[4]): _record(row) for row in cursor}


def with_payloads(
    cursor: Cursor,
    sync_id: UUID,
    records: dict[RecordKey, RecordRow],
    keys: Collection[RecordKey],
) -> dict[RecordKey, RecordRow]:
    """The same records; those of ``keys`` with their payloads as canonical JSON text."""
    if not keys:
        return records
    cursor.execute(_PAYLOADS, _key_parameters(sync_id, keys), binary=True)
    full = dict(records)
    for collection_id, upstream_id, exact, text in cursor:
        key = (collection_id, upstream_id)
        full[key] = replace(records[key], payload_json=canonical_text(exact, text))
    return full


def find_last_changes(
    cursor: Cursor, sync_id: UUID, keys: Collection[RecordKey]
) -> dict[RecordKey, list[StoredChange]]:
    """The last changes of some records, newest first: those among the last 10 change events."""
    found: dict[RecordKey, list[StoredChange]] = {}
    if not keys:
        return found
    parameters = _key_parameters(sync_id, keys) | {"limit": _MOST_CHANGES}
    cursor.execute(_LAST_CHANGES, parameters, binary=True)
    for collection_id, upstream_id, changes, created_at, reported, request_id in cursor:
        stored = StoredChange(canonical_json.loads(changes), created_at, reported, request_id)
        found.setdefault((collection_id, upstream_id), []).append(stored)
    return found


def check_expected(batch: Batch, stored: Mapping[RecordKey, RecordRow]) -> None:
    """Check that the stored records are those that the batch was made from.

    Args:
        batch: Has the expected payload hashes.
        stored: The stored records under those keys.

    Raises:
        ConcurrentUpdate: A record differs, is missing, or was deleted.
    """
    for key, payload_hash in batch.expected_hashes.items():
        record = stored.get(key)
        found = record.payload_hash if record else None
        if found != payload_hash or (record and record.deleted):
            msg = f"{' '.join(key)} has changed since a batch was made from it"
            raise ConcurrentUpdate(msg)


def _record(row: tuple[Any, ...]) -> RecordRow:
    before, after = row[:6], row[6:]
    return RecordRow(*before, b"", *after)  # type: ignore[call-arg]


def canonical_text(exact: str | None, jsonb_text: str) -> bytes:
    """Canonical JSON text of a payload, from the two columns that store it.

    Args:
        exact: The text; None unless jsonb cannot store the payload.
        jsonb_text: Text of the jsonb column: the same values, formatted differently.
    """
    return (
        exact.encode()
        if exact is not None
        else canonical_json.canonical(canonical_json.loads(jsonb_text))
    )


def _key_parameters(sync_id: UUID, keys: Iterable[RecordKey]) -> dict[str, object]:
    collections, upstreams = zip(*keys, strict=True)
    return {
        "sync_id": sync_id,
        "collections": list(collections),
        "upstreams": list(upstreams),
    }
