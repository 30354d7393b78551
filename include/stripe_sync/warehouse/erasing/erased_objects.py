"""Erased objects are remembered: no writer stores them again.

Every transaction that writes objects asks for them after it has locked its collections. An erasure
stores what it erases first, then waits once for each of these locks: what was written without its
knowledge is committed by then, and found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from stripe_sync.catalog.model import STRIPE_EVENTS
from stripe_sync.catalog.ownership import Key, load_ownership
from stripe_sync.records import Batch, EventRow, Observation, RecordRow, canonical_json
from stripe_sync.records.erasure import ERASED_TEXT, erased_row, is_erased, named_strings
from stripe_sync.records.set_aside import SetAside

logger = logging.getLogger(__name__)

Row = TypeVar("Row", EventRow, RecordRow)
Cursor = psycopg.Cursor[tuple[Any, ...]]

_ANY = "SELECT EXISTS (SELECT FROM stripe_sync.erased_objects WHERE sync_id = %s)"

_FIND = """
SELECT e.collection_id, e.upstream_id, e.customer_id
FROM unnest(%s::text[], %s::text[]) AS k (collection_id, upstream_id)
JOIN stripe_sync.erased_objects AS e ON e.sync_id = %s
    AND e.collection_id = k.collection_id COLLATE "C" AND e.upstream_id = k.upstream_id COLLATE "C"
"""

_FIND_BY_ID = """
SELECT DISTINCT upstream_id FROM stripe_sync.erased_objects
WHERE sync_id = %s AND upstream_id = ANY (%s)
"""

_ADD = """
INSERT INTO stripe_sync.erased_objects (sync_id, collection_id, upstream_id, customer_id, done)
SELECT %s, k.collection_id, k.upstream_id, k.customer_id, %s
FROM unnest(%s::text[], %s::text[], %s::text[]) AS k (collection_id, upstream_id, customer_id)
ON CONFLICT DO NOTHING
"""


def has_erased(cursor: Cursor, sync_id: UUID) -> bool:
    """Whether anything of a sync was ever erased: if not, no payload needs to be looked at."""
    cursor.execute(_ANY, (sync_id,))
    row = cursor.fetchone()
    return bool(row and row[0])


def find_erased(cursor: Cursor, sync_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
    """Those of some objects that were erased, with the customer that they were erased with."""
    if not keys:
        return {}
    collections, names = zip(*keys, strict=True)
    cursor.execute(_FIND, (list(collections), list(names), sync_id))
    return {(row[0], row[1]): row[2] for row in cursor}


def add_erased(cursor: Cursor, sync_id: UUID, erased: dict[Key, str], *, done: bool) -> None:
    """Remember objects.

    Args:
        cursor: In a transaction.
        sync_id: The sync.
        erased: Their keys, with the customer that they belong to.
        done: Whether nothing of them is stored.
    """
    if erased:
        collections, names = zip(*erased, strict=True)
        values = (sync_id, done, list(collections), list(names), list(erased.values()))
        cursor.execute(_ADD, values)


def without_erased(cursor: Cursor, batch: Batch) -> Batch:
    """A batch without the objects that were erased, or that belong to a customer who was.

    The latter are remembered; what names only them, and came before them, an erasure has to find.

    Args:
        cursor: In the transaction of the batch, with its collections locked.
        batch: The batch.
    """
    if not has_erased(cursor, batch.sync_id):
        return batch
    names = {id(each): _names(each) for each in batch.observations}
    wanted = {key for keys in names.values() for key in keys}
    wanted |= {_key(each) for each in batch.observations} | set(batch.expected_hashes)
    if batch.poll:
        wanted |= {(each.collection_id, each.upstream_id) for each in batch.poll.pending}
    erased = find_erased(cursor, batch.sync_id, wanted)
    added = _spread(batch.observations, names, erased)
    add_erased(
        cursor,
        batch.sync_id,
        # Each Stripe event names its object anew.
        {key: owner for key, owner in added.items() if key[0] != STRIPE_EVENTS},
        done=False,
    )
    gone = erased.keys() | added.keys()
    kept = [each for each in batch.observations if _key(each) not in gone]
    if len(kept) < len(batch.observations):
        logger.info("%s objects are not stored: erased", len(batch.observations) - len(kept))
    poll = batch.poll
    if poll:
        pending = [p for p in poll.pending if (p.collection_id, p.upstream_id) not in gone]
        poll = replace(poll, pending=pending)
    return replace(
        batch,
        observations=kept,
        expected_hashes={k: v for k, v in batch.expected_hashes.items() if k not in gone},
        set_aside=texts_without_erased(cursor, batch.sync_id, batch.set_aside),
        poll=poll,
    )


def texts_without_erased(
    cursor: Cursor, sync_id: UUID, found: Sequence[SetAside]
) -> list[SetAside]:
    """What is set aside, but for texts that contain the id of an erased object."""
    if not found or not has_erased(cursor, sync_id):
        return list(found)
    names = {each.key: named_strings(each.text or b"") | {each.upstream_id or ""} for each in found}
    wanted = {name for strings in names.values() for name in strings}
    cursor.execute(_FIND_BY_ID, (sync_id, list(wanted)))
    erased = {row[0] for row in cursor}
    return [each for each in found if erased.isdisjoint(names[each.key])]


def events_without_erased(
    cursor: Cursor, sync_id: UUID, events: Sequence[EventRow]
) -> list[EventRow]:
    """Change events from the lake; of those of erased objects only what identifies these."""
    if not has_erased(cursor, sync_id):
        return list(events)
    return _stripped(cursor, sync_id, events, lambda event: event.data_json, _strip_event)


def records_without_erased(
    cursor: Cursor, sync_id: UUID, records: Sequence[RecordRow]
) -> list[RecordRow]:
    """Records from the lake; of those of erased objects only what identifies these."""
    if not has_erased(cursor, sync_id):
        return list(records)
    return _stripped(cursor, sync_id, records, lambda record: record.payload_json, _strip_record)


def remember_from_lake(cursor: Cursor, sync_id: UUID, records: Iterable[RecordRow]) -> None:
    """Remember the objects that the lake has as erased, for a warehouse that is rebuilt from it."""
    erased = {
        (record.collection_id, record.upstream_id): ""
        for record in records
        if record.deleted
        and ERASED_TEXT in record.payload_json
        and is_erased(canonical_json.loads(record.payload_json))
    }
    add_erased(cursor, sync_id, erased, done=True)


def _stripped(
    cursor: Cursor,
    sync_id: UUID,
    rows: Sequence[Row],
    text_of: Callable[[Row], bytes],
    strip: Callable[[Row], Row],
) -> list[Row]:
    ownership = load_ownership()
    names = []
    for row in rows:
        payload, parent_id = canonical_json.loads(text_of(row)), getattr(row, "parent_id", None)
        found = ownership.named(row.collection_id, payload, parent_id)
        names.append(found if ownership.may_belong(row.collection_id) else set())
    keys = [(row.collection_id, row.upstream_id) for row in rows]
    erased = find_erased(cursor, sync_id, set().union(keys, *names))
    return [
        strip(row) if key in erased or ownership.belongs(named, erased) else row
        for row, key, named in zip(rows, keys, names, strict=True)
    ]


def _strip_event(event: EventRow) -> EventRow:
    text, _ = erased_row(event.data_json, load_ownership().kept(event.collection_id))
    return replace(event, data_json=text, changes=None if event.changes is None else {})


def _strip_record(record: RecordRow) -> RecordRow:
    text, payload_hash = erased_row(
        record.payload_json, load_ownership().kept(record.collection_id)
    )
    return replace(record, payload_json=text, payload_hash=payload_hash)


def _key(observation: Observation) -> Key:
    return observation.collection_id, observation.upstream_id


def _names(observation: Observation) -> set[Key]:
    ownership = load_ownership()
    if not ownership.may_belong(observation.collection_id):
        return set()
    return ownership.named(observation.collection_id, observation.payload, observation.parent_id)


def _spread(
    observations: Sequence[Observation], names: dict[int, set[Key]], erased: dict[Key, str]
) -> dict[Key, str]:
    """Objects of a batch that belong to erased ones, and parts of both, that are not known yet."""
    ownership, added = load_ownership(), dict[Key, str]()
    todo, grows = list(observations), True
    while grows:
        grows, left = False, []
        known = {**added, **erased}
        for each in todo:
            key, named = _key(each), names[id(each)]
            if key not in known and not ownership.belongs(named, known):
                left.append(each)
                continue
            grows = True
            owner = next(known[name] for name in (key, *named) if name in known)
            new = {key, *ownership.parts(each.collection_id, each.payload)} - known.keys()
            added |= dict.fromkeys(new, owner)
        todo = left
    return added
