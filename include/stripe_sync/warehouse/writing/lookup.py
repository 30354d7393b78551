"""What the warehouse holds of the records and Stripe events that a batch touches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.errors import ConcurrentUpdate
from stripe_sync.records import Batch, RecordRow, StripeEvent, canonical_json
from stripe_sync.records.diff import RecordKey

# LIMIT keeps the planner at one index probe a key, whatever it believes of the table's size.
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

_LEDGER = """
SELECT stripe_event_id FROM stripe_sync.stripe_event_ledger
WHERE sync_id = %(sync_id)s AND stripe_event_id = ANY (%(stripe_event_ids)s)
"""

_FINGERPRINTS = """
SELECT fingerprint FROM stripe_sync.stripe_event_ledger
WHERE sync_id = %(sync_id)s AND fingerprint = ANY (%(fingerprints)s)
"""

Cursor = psycopg.Cursor[tuple[Any, ...]]


def stored_records(
    cursor: Cursor, sync_id: UUID, keys: Collection[RecordKey]
) -> dict[RecordKey, RecordRow]:
    """Those of these records that exist, with empty payloads."""
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
    """The same records; those under ``keys`` with their payloads as canonical JSON text."""
    if not keys:
        return records
    cursor.execute(_PAYLOADS, _key_parameters(sync_id, keys), binary=True)
    full = dict(records)
    for collection_id, upstream_id, exact, text in cursor:
        key = (collection_id, upstream_id)
        full[key] = replace(records[key], payload_json=canonical_text(exact, text))
    return full


def check_expected(batch: Batch, stored: Mapping[RecordKey, RecordRow]) -> None:
    """See that the states which a batch builds on are the stored ones.

    Args:
        batch: Says what it builds on.
        stored: The records it names, as they are now.

    Raises:
        ConcurrentUpdate: One is not.
    """
    for key, payload_hash in batch.expected_hashes.items():
        record = stored.get(key)
        found = record.payload_hash if record else None
        if found != payload_hash or (record and record.deleted):
            msg = f"{' '.join(key)} has changed since a batch was made from it"
            raise ConcurrentUpdate(msg)


def applied_stripe_events(
    cursor: Cursor, sync_id: UUID, stripe_events: Sequence[StripeEvent]
) -> set[str]:
    """Ids of those of these Stripe events that are not to be applied.

    They were applied before, or a twin of theirs was, or one comes before them here.
    """
    if not stripe_events:
        return set()
    ids = [event.id for event in stripe_events]
    cursor.execute(_LEDGER, {"sync_id": sync_id, "stripe_event_ids": ids})
    applied = {str(row[0]) for row in cursor}
    fingerprints = [event.fingerprint for event in stripe_events if event.fingerprint]
    told: dict[UUID, str] = {}
    if fingerprints:
        cursor.execute(_FINGERPRINTS, {"sync_id": sync_id, "fingerprints": fingerprints})
        told = {row[0]: "" for row in cursor}
    for event in stripe_events:
        if event.fingerprint and told.setdefault(event.fingerprint, event.id) != event.id:
            applied.add(event.id)
    return applied


def _record(row: tuple[Any, ...]) -> RecordRow:
    before, after = row[:6], row[6:]
    return RecordRow(*before, b"", *after)  # type: ignore[call-arg]


def canonical_text(exact: str | None, jsonb_text: str) -> bytes:
    """A payload as canonical JSON text again, from the two columns that hold it.

    Args:
        exact: The text, where jsonb cannot hold the payload.
        jsonb_text: What jsonb made of it: the same values, written in another way.
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
