"""The diff: pure functions from observations and stored records to the rows that a batch writes.

Two rules keep records and change events in agreement:

1. A record is the fold of its change events. The newest change event has the record's payload, and
   the record is deleted exactly when that event has the type ``deleted``.
2. A state never replaces one that was observed later, by the database's clock. A late Stripe event
   still gets its change event, with the newer state as its data: of type ``updated``, or
   ``deleted`` where the record is deleted, so that it never restores the record.

A Stripe event makes one change event, but for cases that would count a change twice: the
creation of an object whose record exists (a backfill or an earlier Stripe event created it), the
deletion of an object whose record is deleted, and a change that a read of the object found before
its Stripe event came (``repetitions.py``). A fourth is the change that a mutation has written
(``echoes.py``). Some ids are used again after a deletion
(``StripeEvent.object_created``): the new object's first event ends the old object's record.

``upstream_updated_at`` never goes back, from one change event of a record to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from stripe_sync.records import (
    Batch,
    ChangeType,
    EventRow,
    LoadResult,
    Observation,
    OwnChanges,
    RecordRow,
    StripeEvent,
    canonical_json,
    ids,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.changes.doubtful_states import is_doubtful
from stripe_sync.records.changes.echoes import find_echoes
from stripe_sync.records.changes.old_values import old_values
from stripe_sync.records.changes.repetitions import (
    StoredChange,
    compare_objects,
    is_repetition,
    is_stored,
)

RecordKey = tuple[str, str]
"""Collection id and upstream id."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows that one batch writes.

    Attributes:
        records: Newest state of every record with a change event.
        events: Change events in stream order.
        result: Counts; ``last_seq`` is not known yet.
        doubtful: Keys of records of which it is not certain whether the stored state is newer than
            the observed one: the two requests overlapped.
        echoes: Stream position of a mutation's change event, by id of the Stripe event that reports
            the same change.
    """

    records: list[RecordRow]
    events: list[EventRow]
    result: LoadResult
    doubtful: list[RecordKey] = field(default_factory=list)
    echoes: Mapping[str, int] = field(default_factory=dict)


def decide(
    batch: Batch,
    stored: Mapping[RecordKey, RecordRow],
    processed: Iterable[str],
    now: datetime,
    last_changes: Mapping[RecordKey, Sequence[StoredChange]] | None = None,
    *,
    own_changes: OwnChanges | None = None,
) -> Changes:
    """Compute the rows of a batch.

    Args:
        batch: Observations in stream order.
        stored: The stored records among those observed; payloads may be empty except for the keys
            that ``needing_payload`` returns.
        processed: Ids of those of its Stripe events that were processed before.
        now: The database's time: ``updated_at`` and ``created_at`` of the rows.
        last_changes: The last changes of records, newest first; None where none is stored.
        own_changes: Change events of mutations without an echo; None where there is none.
    """
    processed = set(processed)
    echoes = find_echoes(batch.observations, own_changes or {}, processed)
    fold = _Fold(batch, stored, processed, now, last_changes or {}, echoes=echoes)
    for observation in batch.observations:
        fold.add(observation)
    fold.result.ahead = list(fold.ahead)
    fold.result.echoes = len(echoes)
    return Changes(fold.records(), fold.events, fold.result, list(fold.doubtful), echoes)


def needing_payload(
    batch: Batch, stored: Mapping[RecordKey, RecordRow], processed: Iterable[str]
) -> list[RecordKey]:
    """Keys of the stored records whose payload ``decide`` may read."""
    processed_ids = set(processed)
    keys: dict[RecordKey, None] = {}
    for observation in batch.observations:
        key = (observation.collection_id, observation.upstream_id)
        record = stored.get(key)
        if record is None:
            continue
        stripe_event = observation.stripe_event
        if stripe_event is None:
            changing = not _is_same_state(observation, record)
        else:
            changing = stripe_event.id not in processed_ids
        if changing:
            keys[key] = None
    return list(keys)


class _Fold:
    """Applies observations one by one to the stored records."""

    def __init__(
        self,
        batch: Batch,
        stored: Mapping[RecordKey, RecordRow],
        processed: Iterable[str],
        now: datetime,
        last_changes: Mapping[RecordKey, Sequence[StoredChange]],
        *,
        echoes: Container[str],
    ) -> None:
        self._batch = batch
        self._echoes = echoes
        self._last_changes = {key: list(changes) for key, changes in last_changes.items()}
        self._current = dict(stored)
        self._redacted_hashes: dict[RecordKey, str] = {}
        if batch.redact_stored:
            self._redact_stored(batch.redact_stored)
        self._processed = set(processed)
        self._now = now
        # Time of the last observation of each record, whether it changed the record or not.
        self._observed_at: dict[RecordKey, datetime] = {}
        self._written: dict[RecordKey, None] = {}
        self.events: list[EventRow] = []
        self.doubtful: dict[RecordKey, None] = {}
        self.ahead: dict[RecordKey, None] = {}
        self.result = LoadResult()

    def _redact_stored(self, redact: Callable[[RecordRow], RecordRow]) -> None:
        """Take out of the stored payloads what must not be written again.

        Their hashes stay: a state without those fields differs from them, and replaces them.
        """
        for key, record in self._current.items():
            if record.payload_json:
                redacted = redact(record)
                self._current[key] = replace(record, payload_json=redacted.payload_json)
                self._redacted_hashes[key] = redacted.payload_hash

    def records(self) -> list[RecordRow]:
        return [self._current[key] for key in self._written]

    def add(self, observation: Observation) -> None:
        key = (observation.collection_id, observation.upstream_id)
        record = self._current.get(key)
        if observation.stripe_event is None:
            self._note_doubt(key, observation, record)
            self._add_state(key, observation, record)
        elif observation.stripe_event.id in self._processed or _is_hidden(observation, record):
            self.result.unchanged += 1
        else:
            self._processed.add(observation.stripe_event.id)
            self._note_doubt(key, observation, record)
            self._add_stripe_event(key, observation, observation.stripe_event, record)

    def _add_state(
        self, key: RecordKey, observation: Observation, record: RecordRow | None
    ) -> None:
        """Without a Stripe event: a change event only where the state differs."""
        if record is None:
            change = _change_type(None, deleted=observation.deleted)
            self._write(key, observation, None, change)
        elif _is_same_state(observation, record):
            self.result.unchanged += 1
            last = self._last_observed_at(key, record)
            self._observed_at[key] = max(observation.observed_at, last)
        elif (
            self._is_stale(key, observation, record)
            or compare_objects(observation.object_created, record) < 0
        ):
            self.result.stale += 1
        else:
            if not record.deleted and compare_objects(observation.object_created, record) > 0:
                record = self._write_end(key, observation, record)
            change = _change_type(record, deleted=observation.deleted)
            changes = _old_values(observation, record) if change is ChangeType.UPDATED else None
            self._write(key, observation, record, change, changes, keep_payload=observation.deleted)

    def _add_stripe_event(
        self,
        key: RecordKey,
        observation: Observation,
        stripe_event: StripeEvent,
        record: RecordRow | None,
    ) -> None:
        """With a Stripe event: one change event, unless it would repeat one."""
        if record is not None:
            age = compare_objects(stripe_event.object_created, record)
            if age > 0 and not record.deleted:
                record = self._write_end(key, observation, record)
            is_found = stripe_event.id in self._echoes or is_stored(
                stripe_event, self._last_changes.get(key, ())
            )
            if is_found or is_repetition(stripe_event, record, age):
                self._add_repeated(key, observation, record, is_found=is_found)
                return
            if age < 0:
                self._write_late(key, observation, record)
                return
        if stripe_event.change is ChangeType.DELETED:
            self._write(key, observation, record, ChangeType.DELETED, keep_payload=True)
            return
        if record is None:
            self._write(key, observation, None, ChangeType.CREATED)
            return
        stale = self._is_stale(key, observation, record)
        # In stream order after a deletion of its batch, so it is no late event of the old object.
        is_again = (
            stripe_event.change is ChangeType.CREATED
            and stripe_event.object_created is not None
            and key in self._written
        )
        if record.deleted and (is_again or not (stale or observation.gone)):
            self._write(key, observation, record, ChangeType.CREATED)
            return
        if stale or record.deleted:
            self._write_late(key, observation, record)
            return
        changes = stripe_event.previous_attributes
        if changes is None:
            changes = _old_values(observation, record)
        same_payload = observation.payload_hash == record.payload_hash
        keep_payload = observation.fallback or same_payload
        self._write(
            key, observation, record, ChangeType.UPDATED, changes, keep_payload=keep_payload
        )

    def _add_repeated(
        self, key: RecordKey, observation: Observation, record: RecordRow, *, is_found: bool
    ) -> None:
        """A change that is stored already; what was fetched for one that a read found may be newer.

        Args:
            key: Key of the record.
            observation: Has the Stripe event.
            record: The record.
            is_found: Whether a read found the change before its Stripe event came.
        """
        stripe_event = observation.stripe_event
        is_echo = stripe_event is not None and stripe_event.id in self._echoes
        if not is_found or observation.fallback or observation.gone or record.deleted:
            self.result.unchanged += 1
        elif is_echo:
            # A newer state shows changes of others: their own Stripe events are still to come.
            self.result.unchanged += 1
            is_newer = not self._is_stale(key, observation, record)
            if is_newer and not _is_same_state(observation, record):
                self.ahead[key] = None
        else:
            self._add_state(key, replace(observation, stripe_event=None), record)

    def _write_end(self, key: RecordKey, observation: Observation, record: RecordRow) -> RecordRow:
        """The deletion of an object whose id was used again, before its own event is polled."""
        deletion = replace(observation, deleted=True, stripe_event=None)
        self._write(key, deletion, record, ChangeType.DELETED, keep_payload=True)
        return self._current[key]

    def _write_late(self, key: RecordKey, observation: Observation, record: RecordRow) -> None:
        """The change event of a late Stripe event: the record stays in its newer state."""
        stripe_event = observation.stripe_event
        changes = (stripe_event.previous_attributes if stripe_event else None) or {}
        self.result.stale += 1
        self._write(
            key,
            observation,
            record,
            ChangeType.DELETED if record.deleted else ChangeType.UPDATED,
            None if record.deleted else changes,
            keep_payload=True,
            stale=True,
        )

    def _note_doubt(
        self, key: RecordKey, observation: Observation, record: RecordRow | None
    ) -> None:
        """Note a state that may be older or newer than the stored one."""
        if (
            record is not None
            and key not in self._observed_at
            and not observation.deleted
            and not _is_same_state(observation, record)
            and is_doubtful(observation, record, self._batch, self._now)
        ):
            self.doubtful[key] = None

    def _last_observed_at(self, key: RecordKey, record: RecordRow) -> datetime:
        # A time ahead of the database's clock is one of another clock: it proves no order.
        stored = record.observed_at if record.observed_at <= self._now else _NEVER
        return self._observed_at.get(key, stored)

    def _is_stale(self, key: RecordKey, observation: Observation, record: RecordRow) -> bool:
        last = self._last_observed_at(key, record)
        # A deleted record is restored only by a state that was certainly observed after the
        # deletion. Stripe events are exempt: they come in order, and several of them may share the
        # one state that was fetched for all.
        restores = record.deleted and not observation.deleted and observation.stripe_event is None
        return observation.observed_at < last or (restores and observation.observed_at == last)

    def _write(
        self,
        key: RecordKey,
        observation: Observation,
        record: RecordRow | None,
        change: ChangeType,
        changes: JsonObject | None = None,
        *,
        keep_payload: bool = False,
        stale: bool = False,
    ) -> None:
        """Append one change event and update the record to it."""
        stripe_event = observation.stripe_event
        changed_at = _changed_at(observation, record)
        if record is None:
            new = self._new_record(key, observation, changed_at)
        else:
            state = record if keep_payload else observation
            last = self._last_observed_at(key, record)
            observed_at = last if stale else max(last, observation.observed_at)
            new = self._next_version(record, state, observed_at, changed_at)
        new.deleted = change is ChangeType.DELETED
        self._observed_at[key] = new.observed_at
        self._current[key] = new
        self._written[key] = None
        self.ahead.pop(key, None)
        self.events.append(self._event(new, change, changes, changed_at, stripe_event))
        if changes:
            stored = StoredChange(changes, self._now, reported=stripe_event is not None)
            self._last_changes.setdefault(key, []).insert(0, stored)
        self._count(change)

    def _new_record(
        self, key: RecordKey, observation: Observation, changed_at: datetime
    ) -> RecordRow:
        return RecordRow(
            id=ids.record_id(self._batch.sync_id, *key),
            sync_id=self._batch.sync_id,
            resource_id=self._batch.resource_id,
            collection_id=key[0],
            upstream_id=key[1],
            deleted=observation.deleted,
            payload_json=observation.payload_json,
            payload_hash=observation.payload_hash,
            inserted_at=self._now,
            updated_at=self._now,
            upstream_updated_at=changed_at,
            updated_idx=1,
            observed_at=observation.observed_at,
            api_version=observation.api_version,
            parent_id=observation.parent_id,
        )

    def _next_version(
        self,
        record: RecordRow,
        state: RecordRow | Observation,
        observed_at: datetime,
        changed_at: datetime,
    ) -> RecordRow:
        key = (record.collection_id, record.upstream_id)
        kept_hash = self._redacted_hashes.pop(key, record.payload_hash)
        return replace(
            record,
            resource_id=self._batch.resource_id,
            payload_json=state.payload_json,
            payload_hash=state.payload_hash if state is not record else kept_hash,
            updated_at=self._now,
            upstream_updated_at=changed_at,
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
        stripe_event: StripeEvent | None,
    ) -> EventRow:
        sync_id = record.sync_id
        return EventRow(
            id=ids.stripe_event_change_id(sync_id, stripe_event.id)
            if stripe_event
            else ids.observed_change_id(
                sync_id, record.collection_id, record.upstream_id, record.updated_idx
            ),
            sync_id=sync_id,
            resource_id=record.resource_id,
            collection_id=record.collection_id,
            upstream_id=record.upstream_id,
            event_type=change,
            changes=changes,
            data_json=record.payload_json,
            created_at=record.updated_at,
            upstream_updated_at=changed_at,
            source=self._batch.source,
            stripe_event_id=stripe_event.id if stripe_event else None,
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


def _changed_at(observation: Observation, record: RecordRow | None) -> datetime:
    """When Stripe made a change, as far as known; never before the change that is stored."""
    if observation.stripe_event:
        changed_at = observation.stripe_event.created
    else:
        changed_at = observation.upstream_updated_at
        if record is not None and changed_at <= record.upstream_updated_at:
            # The object's own times do not show the change: it was there when it was observed.
            changed_at = observation.observed_at
    return changed_at if record is None else max(record.upstream_updated_at, changed_at)


def _is_hidden(observation: Observation, record: RecordRow | None) -> bool:
    """Whether a change of a stored object is one of left-out fields only."""
    stripe_event = observation.stripe_event
    return (
        stripe_event is not None
        and stripe_event.is_hidden
        and stripe_event.change not in {ChangeType.CREATED, ChangeType.DELETED}
        and record is not None
        and not record.deleted
    )


def _is_same_state(observation: Observation, record: RecordRow) -> bool:
    if observation.deleted or record.deleted:
        return observation.deleted and record.deleted
    return observation.payload_hash == record.payload_hash


def _old_values(observation: Observation, record: RecordRow) -> JsonObject:
    if observation.fallback or observation.payload_hash == record.payload_hash:
        return {}
    return old_values(canonical_json.loads(record.payload_json), observation.payload)


def _change_type(record: RecordRow | None, *, deleted: bool) -> ChangeType:
    """Type of the change event of a state that no Stripe event reports.

    Args:
        record: The record before the change, if there was one.
        deleted: Whether it is deleted after the change.
    """
    if deleted:
        return ChangeType.DELETED
    if record is None or record.deleted:
        return ChangeType.CREATED
    return ChangeType.UPDATED
