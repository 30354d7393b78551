"""Stripe events that report what the stream has already: each change has one change event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stripe_sync.records import ChangeType, RecordRow, StripeEvent, canonical_json
from stripe_sync.records.canonical_json import JsonObject

_CLOCK_DIFFERENCE = timedelta(minutes=2)
"""Most that the database's clock and Stripe's differ by."""


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change event of type ``updated`` in the stream.

    Attributes:
        changes: Old values of the changed keys.
        created_at: When it was stored.
        reported: Whether a Stripe event reported it; else it was found by comparing states.
        request_id: Stripe's id of the request of the mutation that wrote it; None for any other.
    """

    changes: JsonObject
    created_at: datetime
    reported: bool
    request_id: str | None = None


def compare_objects(object_created: int | None, record: RecordRow) -> int:
    """Whether an object is older (-1) or newer (1) than that of the record, or the same.

    Args:
        object_created: Unix seconds of its creation, where its id may be used again.
        record: The record.
    """
    if object_created is None:
        return 0
    created = canonical_json.loads(record.payload_json).get("created")
    if not isinstance(created, int):
        return 0
    return (object_created > created) - (object_created < created)


def is_repetition(stripe_event: StripeEvent, record: RecordRow, age: int) -> bool:
    """Whether the stream has this creation or deletion already.

    Args:
        stripe_event: The Stripe event.
        record: The record.
        age: Of ``compare_objects``.
    """
    if stripe_event.change is ChangeType.CREATED:
        return age < 0 or (age == 0 and not record.deleted)
    return stripe_event.change is ChangeType.DELETED and (age < 0 or record.deleted)


def is_stored(stripe_event: StripeEvent, stored: Sequence[StoredChange]) -> bool:
    """Whether a read of the object found a change before its Stripe event came.

    That is so where the last change of its keys was found by comparing states, with the same old
    values. Without old values nothing shows it.

    Args:
        stripe_event: The Stripe event.
        stored: The last changes of its object, newest first.
    """
    reported = stripe_event.previous_attributes
    if not reported or stripe_event.change in {ChangeType.CREATED, ChangeType.DELETED}:
        return False
    for each in stored:
        if each.request_id:
            continue  # a mutation's: its one Stripe event is known by its request (echoes.py)
        if _overlap(reported, each.changes):
            found_after = each.created_at + _CLOCK_DIFFERENCE >= stripe_event.created
            return not each.reported and found_after and _contains(each.changes, reported)
    return False


def _overlap(changes: JsonObject, others: JsonObject) -> bool:
    """Whether two changes have a key in common; objects are compared key by key."""
    for key in changes.keys() & others.keys():
        value, other = changes[key], others[key]
        both_objects = isinstance(value, dict) and isinstance(other, dict)
        if not both_objects or _overlap(value, other):
            return True
    return False


def _contains(changes: JsonObject, part: JsonObject) -> bool:
    """Whether old values are among others; objects are compared key by key."""
    for key, value in part.items():
        if key not in changes:
            return False
        found = changes[key]
        if isinstance(value, dict) and isinstance(found, dict):
            if not _contains(found, value):
                return False
        elif found != value:
            return False
    return True
