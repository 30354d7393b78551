"""What a batch changes: pure functions from observations and stored state to rows.

Two rules keep the streams in agreement:

- A record is the fold of its change events: the newest one carries the record's payload, and the
  record is deleted exactly when the newest one is of type ``deleted``. So the type follows the
  state: a Stripe event ``customer.updated`` about a customer that is gone by now becomes a
  ``deleted`` change event, and never raises the dead.
- A state never replaces one that was observed later. A Stripe event still gets its change event
  then, with the newer state as its data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stripe_sync.records import (
    Batch,
    ChangeType,
    EventRow,
    LoadResult,
    Observation,
    RecordRow,
    StripeEvent,
    canonical_json,
    ids,
)
from stripe_sync.records.canonical_json import JsonObject

RecordKey = tuple[str, str]
"""Collection id and upstream id."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one batch writes.

    Attributes:
        records: Newest state of every record with a change event.
        events: Change events in stream order.
        result: Counts; ``last_seq`` is not known yet.
    """

    records: list[RecordRow]
    events: list[EventRow]
    result: LoadResult


def decide(
    batch: Batch,
    stored: Mapping[RecordKey, RecordRow],
    applied: Iterable[str],
    now: datetime,
) -> Changes:
    """Turn a batch into rows.

    Args:
        batch: What was observed, in stream order.
        stored: State of those of its records that exist; the payload may be left empty for all
            but those that ``needing_payload`` names.
        applied: Ids of those of its Stripe events that were applied before.
        now: When the rows are made.
    """
    fold = _Fold(batch, stored, applied, now)
    for observation in batch.observations:
        fold.add(observation)
    return Changes(fold.records(), fold.events, fold.result)


def needing_payload(
    batch: Batch, stored: Mapping[RecordKey, RecordRow], applied: Iterable[str]
) -> list[RecordKey]:
    """Keys of the stored records whose payload ``decide`` may have to look at."""
    known = set(applied)
    needed: dict[RecordKey, None] = {}
    for observation in batch.observations:
        key = (observation.collection_id, observation.upstream_id)
        record = stored.get(key)
        if record is None:
            continue
        stripe_event = observation.stripe_event
        if stripe_event is None:
            changing = not _says_the_same(observation, record)
        else:
            changing = stripe_event.id not in known
        if changing:
            needed[key] = None
    return list(needed)


def _says_the_same(observation: Observation, record: RecordRow) -> bool:
    if observation.deleted or record.deleted:
        return observation.deleted and record.deleted
    return observation.payload_hash == record.payload_hash


def _old_values(observation: Observation, record: RecordRow) -> JsonObject:
    if observation.fallback or observation.payload_hash == record.payload_hash:
        return {}
    return old_values(canonical_json.loads(record.payload_json), observation.payload)


class _Fold:
    def __init__(
        self,
        batch: Batch,
        stored: Mapping[RecordKey, RecordRow],
        applied: Iterable[str],
        now: datetime,
    ) -> None:
        self._batch = batch
        self._current = dict(stored)
        self._applied = set(applied)
        self._now = now
        # When a state was seen last, also where seeing it changed nothing.
        self._observed: dict[RecordKey, datetime] = {}
        self._written: dict[RecordKey, None] = {}
        self.events: list[EventRow] = []
        self.result = LoadResult()

    def records(self) -> list[RecordRow]:
        return [self._current[key] for key in self._written]

    def add(self, observation: Observation) -> None:
        key = (observation.collection_id, observation.upstream_id)
        record = self._current.get(key)
        if observation.stripe_event is None:
            self._compare(key, observation, record)
        elif observation.stripe_event.id in self._applied:
            self.result.unchanged += 1
        else:
            self._applied.add(observation.stripe_event.id)
            self._follow(key, observation, observation.stripe_event, record)

    def _compare(self, key: RecordKey, seen: Observation, record: RecordRow | None) -> None:
        """An observation that no Stripe event led to: it counts where the state differs."""
        if record is None:
            self._write(key, seen, None, _type_after(None, deleted=seen.deleted, told=None))
        elif _says_the_same(seen, record):
            self.result.unchanged += 1
            self._observed[key] = max(seen.observed_at, self._last_observed(key, record))
        elif self._is_stale(key, seen, record):
            self.result.stale += 1
        else:
            change = _type_after(record, deleted=seen.deleted, told=None)
            changes = _old_values(seen, record) if change is ChangeType.UPDATED else None
            self._write(key, seen, record, change, changes, keep=seen.deleted)

    def _follow(
        self,
        key: RecordKey,
        seen: Observation,
        stripe_event: StripeEvent,
        record: RecordRow | None,
    ) -> None:
        """An observation that a Stripe event led to: it counts whatever the state."""
        stale = record is not None and self._is_stale(key, seen, record)
        deleted = record.deleted if record is not None and stale else seen.deleted
        change = _type_after(record, deleted=deleted, told=stripe_event.change)
        changes: JsonObject | None = None
        if change is ChangeType.UPDATED:
            changes = stripe_event.previous_attributes
            if changes is None:
                changes = {} if record is None or stale else _old_values(seen, record)
        same = record is not None and seen.payload_hash == record.payload_hash
        keep = stale or seen.deleted or seen.fallback or same
        self.result.stale += stale
        self._write(key, seen, record, change, changes, keep=keep, stale=stale)

    def _last_observed(self, key: RecordKey, record: RecordRow) -> datetime:
        return self._observed.get(key, record.observed_at)

    def _is_stale(self, key: RecordKey, seen: Observation, record: RecordRow) -> bool:
        last = self._last_observed(key, record)
        # Only what was surely seen after a deletion brings an object back, unless a Stripe event
        # says so: those come in order, many with the one state that was fetched for all of them.
        doubtful = record.deleted and not seen.deleted and seen.stripe_event is None
        return seen.observed_at < last or (doubtful and seen.observed_at == last)

    def _write(
        self,
        key: RecordKey,
        seen: Observation,
        record: RecordRow | None,
        change: ChangeType,
        changes: JsonObject | None = None,
        *,
        keep: bool = False,
        stale: bool = False,
    ) -> None:
        """Append one change event and bring the record up to it; ``keep`` keeps its payload."""
        told = seen.stripe_event
        changed_at = told.created if told else seen.upstream_updated_at
        if record is None:
            new = self._first(key, seen, changed_at)
        else:
            observed_at = self._last_observed(key, record) if stale else seen.observed_at
            new = self._next(record, record if keep else seen, observed_at, changed_at)
        new.deleted = change is ChangeType.DELETED
        self._observed[key] = new.observed_at
        self._current[key] = new
        self._written[key] = None
        self.events.append(self._event(new, change, changes, changed_at, told))
        self._count(change)

    def _first(self, key: RecordKey, seen: Observation, changed_at: datetime) -> RecordRow:
        return RecordRow(
            id=ids.record_id(self._batch.sync_id, *key),
            sync_id=self._batch.sync_id,
            resource_id=self._batch.resource_id,
            collection_id=key[0],
            upstream_id=key[1],
            deleted=seen.deleted,
            payload_json=seen.payload_json,
            payload_hash=seen.payload_hash,
            inserted_at=self._now,
            updated_at=self._now,
            upstream_updated_at=changed_at,
            updated_idx=1,
            observed_at=seen.observed_at,
            api_version=seen.api_version,
            parent_id=seen.parent_id,
        )

    def _next(
        self,
        record: RecordRow,
        state: RecordRow | Observation,
        observed_at: datetime,
        changed_at: datetime,
    ) -> RecordRow:
        return replace(
            record,
            resource_id=self._batch.resource_id,
            payload_json=state.payload_json,
            payload_hash=state.payload_hash,
            updated_at=self._now,
            upstream_updated_at=max(record.upstream_updated_at, changed_at),
            updated_idx=record.updated_idx + 1,
            observed_at=observed_at,
            api_version=state.api_version,
            parent_id=state.parent_id,
        )

    def _event(
        self,
        record: RecordRow,
        change: ChangeType,
        changes: JsonObject | None,
        changed_at: datetime,
        told: StripeEvent | None,
    ) -> EventRow:
        sync = record.sync_id
        return EventRow(
            id=ids.stripe_event_change_id(sync, told.id)
            if told
            else ids.observed_change_id(
                sync, record.collection_id, record.upstream_id, record.updated_idx
            ),
            sync_id=sync,
            resource_id=record.resource_id,
            collection_id=record.collection_id,
            upstream_id=record.upstream_id,
            event_type=change,
            changes=changes,
            data_json=record.payload_json,
            created_at=record.updated_at,
            upstream_updated_at=changed_at,
            source=self._batch.source,
            stripe_event_id=told.id if told else None,
            api_version=record.api_version,
        )

    def _count(self, change: ChangeType) -> None:
        result = self.result
        result.events += 1
        if change is ChangeType.CREATED:
            result.created += 1
        elif change is ChangeType.UPDATED:
            result.updated += 1
        else:
            result.deleted += 1


def _type_after(record: RecordRow | None, *, deleted: bool, told: ChangeType | None) -> ChangeType:
    """Type of the change event that leads to this state.

    Args:
        record: The record before, if there was one.
        deleted: Whether it is deleted after.
        told: What a Stripe event said of the change.
    """
    if deleted:
        return ChangeType.DELETED
    if told in (ChangeType.CREATED, ChangeType.UPDATED):
        return told
    if record is None or record.deleted:
        return ChangeType.CREATED
    return ChangeType.UPDATED


def old_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> JsonObject:
    """The old values of what differs, in the shape of Stripe's ``previous_attributes``.

    Objects are compared key by key, arrays as a whole; a key that is new shows as null.

    Args:
        old: The earlier state.
        new: The later state.

    Returns:
        Changed keys with their old values; empty when nothing differs.
    """
    changes: JsonObject = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after and type(before) is type(after):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            nested = old_values(before, after)
            if nested:
                changes[key] = nested
        else:
            changes[key] = before
    return changes
