"""Processed Stripe events: each one takes effect once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.records import Batch, StripeEvent

_SAVE = """
INSERT INTO stripe_sync.processed_events
    (sync_id, stripe_event_id, created, fingerprint, request_id)
SELECT %(sync_id)s, p.id, p.created, p.fingerprint, p.request_id
FROM unnest(
    %(ids)s::text[], %(created)s::timestamptz[], %(fingerprints)s::uuid[], %(requests)s::text[]
) AS p (id, created, fingerprint, request_id)
ON CONFLICT DO NOTHING
"""

_PROCESSED = """
SELECT stripe_event_id FROM stripe_sync.processed_events
WHERE sync_id = %(sync_id)s AND stripe_event_id = ANY (%(stripe_event_ids)s)
"""

_PROCESSED_FINGERPRINTS = """
SELECT fingerprint FROM stripe_sync.processed_events
WHERE sync_id = %(sync_id)s AND fingerprint = ANY (%(fingerprints)s)
"""


def find_processed(
    cursor: psycopg.Cursor[tuple[Any, ...]], sync_id: UUID, stripe_events: Sequence[StripeEvent]
) -> set[str]:
    """Ids of the Stripe events to skip.

    Skipped are those that were processed before, and duplicates (same fingerprint, another id) of
    one that was processed before or that precedes them in the list.
    """
    if not stripe_events:
        return set()
    ids = [event.id for event in stripe_events]
    cursor.execute(_PROCESSED, {"sync_id": sync_id, "stripe_event_ids": ids})
    processed = {str(row[0]) for row in cursor}
    fingerprints = [event.fingerprint for event in stripe_events if event.fingerprint]
    first_ids: dict[UUID, str] = {}
    if fingerprints:
        cursor.execute(_PROCESSED_FINGERPRINTS, {"sync_id": sync_id, "fingerprints": fingerprints})
        first_ids = {row[0]: "" for row in cursor}
    for event in stripe_events:
        if event.fingerprint and first_ids.setdefault(event.fingerprint, event.id) != event.id:
            processed.add(event.id)
    return processed


def save_processed(cursor: psycopg.Cursor[tuple[Any, ...]], batch: Batch) -> None:
    """Store all Stripe events of a batch, those that made no change event among them."""
    stripe_events = [o.stripe_event for o in batch.observations if o.stripe_event]
    if stripe_events:
        values = {
            "sync_id": batch.sync_id,
            "ids": [event.id for event in stripe_events],
            "created": [event.created for event in stripe_events],
            "fingerprints": [event.fingerprint for event in stripe_events],
            "requests": [e.request_id if e.may_be_mutation else None for e in stripe_events],
        }
        cursor.execute(_SAVE, values)
