"""Emission: what is observed of a changed object, for each of its Stripe events."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from stripe_sync.extract.normalize import Normalizer
from stripe_sync.records import ChangeType, Observation, PendingFetch, RecordRow, canonical_json
from stripe_sync.records.canonical_json import JsonObject, copied
from stripe_sync.sync.poll.events import burst
from stripe_sync.sync.poll.events.changed_object import ChangedObject
from stripe_sync.sync.poll.events.parse_event import parse_event


def change_observation(
    changed: ChangedObject,
    event: JsonObject,
    normalizer: Normalizer,
    *,
    answered_at: datetime,
    api_version: str,
) -> Observation:
    """The observation for one Stripe event of an object.

    The object's state goes with all of its events here. Where the object is gone, or its id belongs
    to another object by now, each event has its own payload instead; so has each deletion.

    Args:
        changed: The object, resolved.
        event: One of its Stripe events.
        normalizer: Normalizes objects of its collection.
        answered_at: When Stripe answered with the event.
        api_version: Version that the sync stores objects in.
    """
    parsed = parse_event(event, changed.collection)
    if not normalizer.redact_changes(parsed.previous_attributes or {}):
        parsed = replace(parsed, is_hidden=True)
    deleted = parsed.change is ChangeType.DELETED
    state = None if deleted else changed.state
    if state and changed.collection.object_created(state) != parsed.object_created:
        state = None
    return normalizer.normalize(
        copied(event["data"]["object"] if state is None else state),
        observed_at=changed.observed_at or answered_at,
        deleted=deleted,
        stripe_event=parsed,
        fallback=changed.event_only and event.get("api_version") != api_version,
        gone=state is None and not changed.event_only,
        api_version=event.get("api_version") if state is None else None,
    )


def state_observation(changed: ChangedObject, normalizer: Normalizer) -> Observation | None:
    """The observation of a pending fetch; None where it failed or returned nothing to store."""
    if changed.error or changed.event_only or changed.observed_at is None:
        return None
    if changed.state is None:
        # Its deletion is written for the Stripe event that reports it, or by a reconcile.
        return None
    return normalizer.normalize(copied(changed.state), observed_at=changed.observed_at)


def is_ahead(
    state: Observation, record: RecordRow, pending: PendingFetch, normalizer: Normalizer
) -> bool:
    """Whether the state of a pending fetch shows a change that its Stripe events did not report.

    It does where another field differs than those that the object is fetched for.
    """
    if pending.fields is None or state.payload_hash == record.payload_hash:
        return False
    stored = canonical_json.loads(record.payload_json)
    return record.deleted or not (
        burst.differing_fields(stored, state.payload, normalizer) <= {*pending.fields}
    )
