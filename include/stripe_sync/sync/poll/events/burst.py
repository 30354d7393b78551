"""Burst policy: more objects changed at once than can be fetched before their changes are stored.

Fetching each changed object is the rule. Stripe answers some 25 requests a second and endpoint,
so that fetching thousands of objects takes minutes. When a batch needs more fetches than Stripe
answers within ``FETCH_SECONDS``, ``EventProcessor`` takes for each object the first of these that
applies:

1. the payload of its newest Stripe event, where that is proven to equal a fetch (``event_state``);
2. the stored state with the changed values of the event, where their old values are proven to be
   rendered as stored (``patched_state``): for accounts whose default API version is another one;
3. a fetch now, although the batch waits for it.

A state of the first two kinds that may lack something is fetched later (``pending_fetches.py``),
which writes a change event only where the fetch differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stripe_sync.catalog import Collection
from stripe_sync.client import PacingLimits
from stripe_sync.clock import from_unix
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.records import ChangeType, RecordRow, canonical_json
from stripe_sync.records.canonical_json import JsonObject, copied
from stripe_sync.records.changes.old_values import old_values

FETCH_SECONDS = 0.6
"""Longest time that the fetches of one batch may take at Stripe's limits."""


def fits_budget(fetches_by_endpoint: Iterable[int], limits: PacingLimits) -> bool:
    """Whether the rate limits let these fetches be sent within ``FETCH_SECONDS``."""
    counts = list(fetches_by_endpoint)
    return (
        sum(counts) <= limits.total * FETCH_SECONDS
        and max(counts, default=0) <= limits.per_endpoint * FETCH_SECONDS
    )


@dataclass(frozen=True, slots=True)
class EventState:
    """An object's state taken from a Stripe event's payload.

    Attributes:
        state: The object.
        uncertain: Names of the fields that the payload does not show as a fetch returns them, and
            that are as stored: the object is to be fetched later because of them.
    """

    state: JsonObject
    uncertain: frozenset[str] = frozenset()


def event_state(
    collection: Collection,
    events: Sequence[JsonObject],
    stored: RecordRow | None,
    *,
    normalizer: Normalizer,
    api_version: str,
    answered_at: datetime,
    stripe_ahead: timedelta,
) -> EventState | None:
    """The newest Stripe event's payload, where it provably equals the answer to a fetch.

    Args:
        collection: The object's collection.
        events: Its Stripe events of this batch, oldest first.
        stored: The stored record; None for a new object.
        normalizer: Normalizes objects of the collection.
        api_version: Version that the collection is stored in.
        answered_at: When Stripe answered with the events.
        stripe_ahead: How far Stripe's clock is ahead of the warehouse's, at the most.

    Returns:
        None where the proof fails: the object must be fetched.
    """
    payload = copied(events[-1]["data"]["object"])
    missing = [name for name in collection.expand if name not in payload]
    if (
        not _is_rendered_as_fetched(collection, events, api_version)
        or _has_cut_list(payload)
        or _has_deletion(collection, events)
        or not _is_newest(events)
    ):
        return None
    if stored is None:
        return None if missing else EventState(payload)
    if stored.deleted or not _is_newer(events[-1], stored, answered_at, stripe_ahead):
        return None
    stored_payload = canonical_json.loads(stored.payload_json)
    payload |= {name: stored_payload[name] for name in missing if name in stored_payload}
    # Compared as it would be stored. Normalizing redacts it once more, which changes nothing.
    normalizer.redact(payload)
    if not _differs_as_reported(stored_payload, payload, events, normalizer):
        return None
    return EventState(payload, frozenset(missing))


def patched_state(
    collection: Collection,
    events: Sequence[JsonObject],
    stored: RecordRow | None,
    *,
    normalizer: Normalizer,
    answered_at: datetime,
    stripe_ahead: timedelta,
) -> EventState | None:
    """The stored state with the values that Stripe events changed, whatever their API version.

    A value is taken over where the event's old value equals the stored one and the new value is
    plain (no object or array that could be rendered differently): then the field is rendered alike
    in both versions.

    Args:
        collection: The object's collection.
        events: Its Stripe events of this batch, oldest first.
        stored: The stored record.
        normalizer: Normalizes objects of the collection.
        answered_at: When Stripe answered with the events.
        stripe_ahead: How far Stripe's clock is ahead of the warehouse's, at the most.

    Returns:
        None where a changed value is not proven: the object must be fetched. Fields that the
        payload shows otherwise are uncertain: they may differ between the versions.
    """
    if (
        stored is None
        or stored.deleted
        or _has_deletion(collection, events)
        or not _is_newest(events)
        or not _is_newer(events[-1], stored, answered_at, stripe_ahead)
        or not all(event["data"].get("previous_attributes") for event in events)
    ):
        return None
    state: JsonObject = canonical_json.loads(stored.payload_json)
    payload = copied(events[-1]["data"]["object"])
    normalizer.redact(payload)
    if not _patch(state, normalizer.comparable(_reported(events, normalizer)), payload):
        return None
    return EventState(state, differing_fields(state, payload, normalizer) | {*collection.expand})


def differing_fields(
    state: JsonObject, other: JsonObject, normalizer: Normalizer
) -> frozenset[str]:
    """Names of the fields that two states of one object do not have alike."""
    state, other = normalizer.comparable(state), normalizer.comparable(other)
    names = state.keys() | other.keys()
    return frozenset(each for each in names if state.get(each, ...) != other.get(each, ...))


def _patch(state: JsonObject, reported: JsonObject, payload: JsonObject) -> bool:
    """Set the reported keys of a state to their values in a payload; False where unproven."""
    for key, old in reported.items():
        stored, new = state.get(key), payload.get(key)
        if isinstance(old, dict) and isinstance(stored, dict) and isinstance(new, dict):
            if not _patch(stored, old, new):
                return False
        elif isinstance(new, dict | list) or stored != old or type(stored) is not type(old):
            return False
        elif key in payload:
            state[key] = new
        else:
            state.pop(key, None)
    return True


def _is_rendered_as_fetched(
    collection: Collection, events: Sequence[JsonObject], api_version: str
) -> bool:
    """Whether a fetch would render the same fields; nested expansions are in no payload."""
    nested_expansion = any("." in path for path in collection.expand)
    return not nested_expansion and all(e.get("api_version") == api_version for e in events)


def _has_cut_list(payload: JsonObject) -> bool:
    lists = (v for v in payload.values() if isinstance(v, dict) and v.get("object") == "list")
    return any(nested.get("has_more") for nested in lists)


def _has_deletion(collection: Collection, events: Sequence[JsonObject]) -> bool:
    return any(collection.change_of(event["type"]) is ChangeType.DELETED for event in events)


def _is_newest(events: Sequence[JsonObject]) -> bool:
    """Whether the last event is newer than the others: within a second their order is unknown."""
    return all(event["created"] < events[-1]["created"] for event in events[:-1])


def _is_newer(
    event: JsonObject, stored: RecordRow, answered_at: datetime, stripe_ahead: timedelta
) -> bool:
    """Whether an event is newer than the stored state, by Stripe's clock and by the warehouse's."""
    created = from_unix(event["created"])
    # In the warehouse's time it happened then at the earliest.
    happened_at = min(created - stripe_ahead, answered_at)
    return created > stored.upstream_updated_at and happened_at > stored.observed_at


def _differs_as_reported(
    stored: JsonObject, payload: JsonObject, events: Sequence[JsonObject], normalizer: Normalizer
) -> bool:
    """Whether the old values of the difference are the ``previous_attributes`` of the events."""
    reported = normalizer.comparable(_reported(events, normalizer))
    actual = old_values(normalizer.comparable(stored), normalizer.comparable(payload))
    return actual == _changed_since(reported, payload)


def _reported(events: Sequence[JsonObject], normalizer: Normalizer) -> JsonObject:
    """The oldest values of all keys that events changed."""
    reported: JsonObject = {}
    for event in events:
        previous = copied(event["data"].get("previous_attributes") or {})
        normalizer.redact_changes(previous)
        _add_missing(reported, previous)
    return reported


def _add_missing(reported: JsonObject, previous: JsonObject) -> None:
    """Add old values of a later event; for the same key those of an earlier event are older."""
    for key, value in previous.items():
        if isinstance(value, dict) and isinstance(inner := reported.setdefault(key, {}), dict):
            _add_missing(inner, value)
        else:
            reported.setdefault(key, value)


def _changed_since(reported: JsonObject, payload: JsonObject) -> JsonObject:
    """The old values that differ from the present ones; a value that changed back is none."""
    changed: JsonObject = {}
    for key, old in reported.items():
        new = payload.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if nested := _changed_since(old, new):
                changed[key] = nested
        elif old != new or type(old) is not type(new):
            changed[key] = old
    return changed
