"""Erases objects in the warehouse: records, change events, set-aside texts, queues, mutations.

A record stays as a row with ``deleted`` and a payload that only identifies the object. Earlier
change events keep their place and their kind; a last one, of type ``deleted`` and source ``erase``,
lets readers of the streams learn of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.catalog.ownership import Key, load_ownership, root_of
from stripe_sync.errors import WarehouseError
from stripe_sync.records import ids
from stripe_sync.records.erasure import erased_row, named_strings
from stripe_sync.records.set_aside import SetAside
from stripe_sync.warehouse.connect import cause_of, explain
from stripe_sync.warehouse.erasing.erased_mutations import erase_mutations
from stripe_sync.warehouse.erasing.erased_objects import (
    Cursor,
    add_erased,
    texts_without_erased,
)
from stripe_sync.warehouse.locks import lock_key
from stripe_sync.warehouse.notifications import NOTIFY
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.writing.lookup import canonical_text

_table = tables.erased_objects

PAGE_ROWS = 5_000
"""Rows that are searched at a time."""

PART_OBJECTS = 500
"""Objects that one transaction erases."""

# A root that was erased before is erased again: what came since is found.
_BEGIN = """
INSERT INTO stripe_sync.erased_objects (sync_id, collection_id, upstream_id, customer_id)
VALUES (%s, %s, %s, %s)
ON CONFLICT (sync_id, upstream_id, collection_id) DO UPDATE
SET done = false, customer_id = excluded.customer_id
"""

_FINISH = """
UPDATE stripe_sync.erased_objects AS e SET done = true
FROM unnest(%s::text[], %s::text[]) AS k (collection_id, upstream_id)
WHERE e.sync_id = %s AND NOT e.done
    AND e.collection_id = k.collection_id COLLATE "C" AND e.upstream_id = k.upstream_id COLLATE "C"
"""

_RECORDS = """
SELECT seq, collection_id, upstream_id, parent_id, payload::text, NULL, true
FROM stripe_raw.records
WHERE sync_id = %s AND seq > %s ORDER BY seq LIMIT %s
"""
_EVENTS = """
SELECT seq, collection_id, upstream_id, NULL, data::text, changes::text, false
FROM stripe_raw.events
WHERE sync_id = %s AND seq > %s ORDER BY seq LIMIT %s
"""
_PAYLOAD = """
SELECT payload::text, parent_id FROM stripe_raw.records
WHERE sync_id = %s AND collection_id = %s AND upstream_id = %s
"""

_LOCK = "SELECT pg_advisory_xact_lock(%s)"

_STORED = """
SELECT upstream_id, updated_idx, payload_exact, payload::text FROM stripe_raw.records
WHERE sync_id = %s AND collection_id = %s AND upstream_id = ANY (%s)
    AND NOT (deleted AND payload @> '{"erased": true}')
"""

_LEFT = """
coalesce((
    SELECT jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'object' THEN value -> 'id'
        ELSE value END) FROM jsonb_each({payload}) WHERE key = ANY (%(kept)s)
), '{{}}') || '{{"erased": true}}'
"""

_ERASE_EVENTS = f"""
UPDATE stripe_raw.events SET data = {_LEFT.format(payload="data")}, data_exact = NULL,
    changes = CASE WHEN changes IS NOT NULL THEN '{{}}'::jsonb END
WHERE sync_id = %(sync_id)s AND collection_id = %(collection_id)s
    AND upstream_id = ANY (%(names)s)
    AND (data <> {_LEFT.format(payload="data")} OR changes <> '{{}}' OR data_exact IS NOT NULL)
"""

# The stream position is locked last, as in every other writer.
_ERASE_RECORDS = f"""
WITH given AS (
    SELECT * FROM unnest(%(names)s::text[], %(texts)s::text[], %(hashes)s::text[],
        %(event_ids)s::uuid[])
        WITH ORDINALITY AS g (upstream_id, payload, payload_hash, event_id, place)
), base AS (
    UPDATE stripe_sync.stream_position SET last_seq = last_seq + %(count)s
    WHERE sync_id = %(sync_id)s
    RETURNING last_seq - %(count)s AS seq
), new_records AS (
    UPDATE stripe_raw.records AS r SET
        payload = g.payload::jsonb, payload_exact = NULL, payload_hash = g.payload_hash,
        deleted = true, updated_idx = r.updated_idx + 1, seq = base.seq + g.place,
        updated_at = %(now)s, observed_at = greatest(r.observed_at, %(now)s),
        upstream_updated_at = greatest(r.upstream_updated_at, %(now)s)
    FROM base, given AS g
    WHERE r.sync_id = %(sync_id)s AND r.collection_id = %(collection_id)s
        AND r.upstream_id = g.upstream_id COLLATE "C"
    RETURNING r.*, g.event_id
), new_events AS (
    INSERT INTO stripe_raw.events (
        sync_id, seq, id, resource_id, collection_id, upstream_id, event_type, changes, data,
        data_exact, created_at, upstream_updated_at, source, stripe_event_id, api_version)
    SELECT sync_id, seq, event_id, resource_id, collection_id, upstream_id, 'deleted', NULL,
        payload, NULL, updated_at, upstream_updated_at, 'erase', NULL, api_version
    FROM new_records
)
SELECT seq, {NOTIFY} FROM base
"""

_SET_ASIDE = """
SELECT collection_id, key, upstream_id, text FROM stripe_sync.set_aside WHERE sync_id = %s
"""
_DELETE_SET_ASIDE = "DELETE FROM stripe_sync.set_aside WHERE sync_id = %s AND key = ANY (%s)"
_DELETE_STATE = """
DELETE FROM stripe_sync.{table} AS t
USING unnest(%s::text[], %s::text[]) AS k (collection_id, upstream_id)
WHERE t.sync_id = %s AND t.collection_id = k.collection_id COLLATE "C"
    AND t.upstream_id = k.upstream_id COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A record or a change event, as far as it shows which objects it names.

    Attributes:
        seq: Its stream position.
        collection_id: Its collection.
        upstream_id: Key of the object.
        parent_id: Stripe's id of the object that it belongs to.
        payload: JSON text of the object.
        changes: JSON text of the old values of a change event.
        is_record: Whether it is a record.
    """

    seq: int
    collection_id: str
    upstream_id: str
    parent_id: str | None
    payload: str
    changes: str | None
    is_record: bool


class Erasures:
    """Remembers what is erased, finds it, and erases it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def begin(self, sync_id: UUID, customer_id: str) -> None:
        """Remember a customer: from the next commit on nothing of them is stored any more."""
        with self._cursor() as cursor:
            cursor.execute(_BEGIN, (sync_id, *root_of(customer_id), customer_id))

    def add(self, sync_id: UUID, customer_id: str, keys: Iterable[Key]) -> None:
        """Remember objects that belong to a customer."""
        with self._cursor() as cursor:
            add_erased(cursor, sync_id, dict.fromkeys(keys, customer_id), done=False)

    def keys(self, sync_id: UUID, customer_id: str) -> set[Key]:
        """The objects that were found for a customer."""
        query = sa.select(_table.c.collection_id, _table.c.upstream_id).where(
            _table.c.sync_id == sync_id, _table.c.customer_id == customer_id
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(query)}

    def pending(self, sync_id: UUID) -> list[str]:
        """Ids of the customers of whom something may still be stored."""
        query = (
            sa.select(_table.c.customer_id)
            .where(_table.c.sync_id == sync_id, ~_table.c.done)
            .distinct()
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return sorted(connection.scalars(query))

    def finish(self, sync_id: UUID, keys: Collection[Key]) -> None:
        """Remember that nothing of some objects is stored any more."""
        with self._cursor() as cursor:
            cursor.execute(_FINISH, (*_columns(keys), sync_id))

    def wait_for_writers(self, sync_id: UUID, collection_ids: Iterable[str]) -> None:
        """Wait until every writer has committed that did not know what is remembered now."""
        for collection_id in collection_ids:
            with self._cursor() as cursor:
                cursor.execute(_LOCK, (lock_key("load", sync_id, collection_id),))

    def stored_rows(self, sync_id: UUID) -> Iterator[list[StoredRow]]:
        """All records and change events, page by page, also those stored meanwhile."""
        for query in (_RECORDS, _EVENTS):
            after = 0
            while True:
                with self._cursor() as cursor:
                    cursor.execute(query, (sync_id, after, PAGE_ROWS))
                    rows = [StoredRow(*row) for row in cursor]
                if not rows:
                    break
                after = rows[-1].seq
                yield rows

    def payload(self, sync_id: UUID, key: Key) -> tuple[str, str | None] | None:
        """JSON text and parent id of a record; None where there is none."""
        with self._cursor() as cursor:
            cursor.execute(_PAYLOAD, (sync_id, *key))
            row = cursor.fetchone()
            return None if row is None else (row[0], row[1])

    def erase(
        self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str]
    ) -> tuple[int, int]:
        """Erase objects of one collection; what is erased already stays as it is.

        Args:
            sync_id: The sync.
            collection_id: Their collection.
            upstream_ids: Their keys, at most ``PART_OBJECTS``.

        Returns:
            Numbers of records and of earlier change events that had data.
        """
        key = (sync_id, collection_id, list(upstream_ids))
        with self._cursor() as cursor:
            cursor.execute(_LOCK, (lock_key("load", sync_id, collection_id),))
            cursor.execute("SELECT clock_timestamp()")
            [now] = [row[0] for row in cursor]
            cursor.execute(_STORED, key)
            stored = cursor.fetchall()
            kept = list(load_ownership().kept(collection_id))
            names = {"names": list(upstream_ids), "kept": kept}
            cursor.execute(
                _ERASE_EVENTS, {"sync_id": sync_id, "collection_id": collection_id, **names}
            )
            events = cursor.rowcount
            if stored:
                _erase_records(cursor, sync_id, collection_id, stored, now)
        return len(stored), events

    def erase_state(self, sync_id: UUID, keys: Collection[Key]) -> int:
        """Erase what queues, mutations and set-aside texts have; the number of such texts."""
        names = {name for _, name in keys}
        with self._cursor() as cursor:
            for table in ("pending_fetches", "missing_objects"):
                statement = _DELETE_STATE.format(table=table)
                cursor.execute(statement, (*_columns(keys), sync_id))
            erase_mutations(cursor, sync_id, names)
            cursor.execute(_SET_ASIDE, (sync_id,))
            found = [
                row[1]
                for row in cursor
                if row[2] in names or not names.isdisjoint(named_strings((row[3] or "").encode()))
            ]
            cursor.execute(_DELETE_SET_ASIDE, (sync_id, found))
        return len(found)

    def texts_to_store(self, sync_id: UUID, found: Sequence[SetAside]) -> list[SetAside]:
        """What is set aside, but for texts that contain the id of an erased object."""
        with self._cursor() as cursor:
            return texts_without_erased(cursor, sync_id, found)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        """A cursor in a transaction of its own."""
        with explain(self.engine.url), self.engine.begin() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the engine's driver
            try:
                with driver.cursor() as cursor:
                    yield cursor
            except psycopg.Error as error:
                msg = f"the warehouse refused to erase: {cause_of(error)}"
                raise WarehouseError(msg) from error


def _erase_records(
    cursor: Cursor, sync_id: UUID, collection_id: str, stored: Sequence[Any], now: datetime
) -> None:
    kept = load_ownership().kept(collection_id)
    left = [erased_row(canonical_text(exact, text), kept) for _, _, exact, text in stored]
    cursor.execute(
        _ERASE_RECORDS,
        {
            "sync_id": sync_id,
            "collection_id": collection_id,
            "now": now,
            "count": len(stored),
            "names": [row[0] for row in stored],
            "texts": [text.decode() for text, _ in left],
            "hashes": [payload_hash for _, payload_hash in left],
            "event_ids": [
                ids.observed_change_id(sync_id, collection_id, name, version + 1)
                for name, version, *_ in stored
            ],
        },
    )


def _columns(keys: Collection[Key]) -> tuple[list[str], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys]
