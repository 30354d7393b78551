"""When the snapshot in a Stripe event may stand for fetching the object.

Fetching is the rule. In a burst of changes it would take minutes, since Stripe answers 25 requests
a second; then a snapshot is as good, where it provably is what fetching would have given at that
moment and continues what is stored:

- it is rendered in the version that is stored, and no list in it is cut;
- it was made after all that is known of the object, by Stripe's time and by when that was asked;
- it differs from what is stored by exactly what the Stripe events since then say has changed.

Fields that are only shown when they are expanded (a customer's tax location) are in no snapshot.
They stay as they are stored, and the object is fetched as well, later.

The last point makes it proof against what clocks and the order of Stripe events cannot tell: where
a change in between is missing, the difference does not fit, and the object is fetched. What it was
proven on is compared once more where it is stored (``Batch.builds_on``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from stripe_sync.clock import from_unix
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.records import ChangeType, RecordRow, canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.diff import old_values
from stripe_sync.sync.poll.changed_object import ChangedObject, copied


def use_event_payload(
    changed: ChangedObject,
    stored: RecordRow | None,
    *,
    normalizer: Normalizer,
    api_version: str,
    answered_at: datetime,
) -> bool:
    """Take the newest snapshot for the state of an object, where that is proven right.

    Args:
        changed: The object; its state, when it was observed and whether it is to be fetched
            nevertheless are filled in.
        stored: What is stored of it; None for an object never seen.
        normalizer: Shapes objects of its collection.
        api_version: Version that its collection is stored in.
        answered_at: When its Stripe events were there.

    Returns:
        Whether it was taken.
    """
    newest = changed.events[-1]
    snapshot = copied(newest["data"]["object"])
    parent_only = [name for name in changed.row.expand if name not in snapshot]
    if not _as_fetched(changed, snapshot, api_version) or (parent_only and stored is None):
        return False
    created = from_unix(newest["created"])
    if any(event["created"] >= newest["created"] for event in changed.events[:-1]):
        return False
    if stored is not None:
        known = max(stored.observed_at, stored.upstream_updated_at)
        if stored.deleted or min(created, answered_at) <= known:
            return False
        payload = canonical_json.loads(stored.payload_json)
        snapshot |= {name: payload[name] for name in parent_only if name in payload}
        # Compared as it is stored; shaping redacts it once more, which changes nothing.
        normalizer.redact(snapshot)
        if not _continues(payload, changed.events, snapshot, normalizer):
            return False
    # Not when it was made: a request sent after that, but answered before it, shows an older state.
    changed.state, changed.observed_at = snapshot, answered_at
    changed.later = bool(parent_only)
    return True


def _as_fetched(changed: ChangedObject, snapshot: JsonObject, api_version: str) -> bool:
    """Whether fetching the object at that moment would have given the same."""
    row = changed.row
    return (
        all(event.get("api_version") == api_version for event in changed.events)
        and not any("." in path for path in row.expand)
        and not any(row.change_of(e["type"]) is ChangeType.DELETED for e in changed.events)
        and not any(
            value.get("object") == "list" and value.get("has_more")
            for value in snapshot.values()
            if isinstance(value, dict)
        )
    )


def _continues(
    stored: JsonObject, events: Sequence[JsonObject], snapshot: JsonObject, normalizer: Normalizer
) -> bool:
    """Whether a stored state and a later one differ by just what Stripe events say."""
    told: JsonObject = {}
    for event in events:
        previous = copied(event["data"].get("previous_attributes") or {})
        normalizer.redact(previous)
        _add_older(told, previous)
    found = old_values(normalizer.comparable(stored), normalizer.comparable(snapshot))
    return found == _differing(normalizer.comparable(told), snapshot)


def _add_older(told: JsonObject, previous: JsonObject) -> None:
    """Add old values of a later change; what an earlier one told of is older."""
    for key, value in previous.items():
        if isinstance(value, dict) and isinstance(known := told.setdefault(key, {}), dict):
            _add_older(known, value)
        else:
            told.setdefault(key, value)


def _differing(told: JsonObject, now: JsonObject) -> JsonObject:
    """Those old values that are not the ones of now."""
    found: JsonObject = {}
    for key, old in told.items():
        new = now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if nested := _differing(old, new):
                found[key] = nested
        elif old != new or type(old) is not type(new):
            found[key] = old
    return found
