"""Restores change events and records from the lake; rows that exist already stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from stripe_sync.errors import WarehouseError
from stripe_sync.records import EventRow, LoadResult, RecordRow, Source
from stripe_sync.records.changes.diff import Changes
from stripe_sync.warehouse.connect import cause_of, open_connection
from stripe_sync.warehouse.erasing.erased_objects import (
    events_without_erased,
    records_without_erased,
    remember_from_lake,
)
from stripe_sync.warehouse.locks import lock_key
from stripe_sync.warehouse.writing.jsonb_text import exact_text, for_jsonb
from stripe_sync.warehouse.writing.staging import COPY_STAGE, CREATE_STAGE, copy_blocks

_LOCK = "SELECT pg_advisory_xact_lock(%s)"

# Change events are only appended: one that is older than its record's newest stored event, and
# missing, is not restored, since readers of the stream are past its place.
_EVENTS = """
WITH missing AS (
    SELECT s.*, row_number() OVER (ORDER BY s.ordinal) AS place
    FROM pg_temp.stripe_stage AS s
    LEFT JOIN LATERAL (
        SELECT e.created_at FROM stripe_raw.events AS e
        WHERE e.collection_id = s.collection_id AND e.sync_id = %(sync_id)s
            AND e.upstream_id = s.upstream_id
        ORDER BY e.seq DESC LIMIT 1
    ) AS newest ON true
    WHERE NOT EXISTS (SELECT FROM stripe_raw.events AS e WHERE e.id = s.event_id)
        AND (newest.created_at IS NULL OR newest.created_at <= s.created_at)
), base AS (
    UPDATE stripe_sync.stream_position
    SET last_seq = last_seq + (SELECT count(*) FROM missing)
    WHERE sync_id = %(sync_id)s
    RETURNING last_seq - (SELECT count(*) FROM missing) AS seq
), new_events AS (
    INSERT INTO stripe_raw.events (
        sync_id, seq, id, resource_id, collection_id, upstream_id, event_type, changes, data,
        data_exact, created_at, upstream_updated_at, source, stripe_event_id, api_version)
    SELECT %(sync_id)s, base.seq + place, event_id, %(resource_id)s, collection_id, upstream_id,
        event_type, changes, payload, payload_exact, created_at, upstream_updated_at, %(source)s,
        stripe_event_id, api_version
    FROM base, missing
    RETURNING stripe_event_id, upstream_updated_at
), new_processed_events AS (
    INSERT INTO stripe_sync.processed_events (sync_id, stripe_event_id, created)
    SELECT DISTINCT ON (stripe_event_id) %(sync_id)s, stripe_event_id, upstream_updated_at
    FROM new_events WHERE stripe_event_id IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(new_events), base.seq FROM base LEFT JOIN new_events ON true GROUP BY base.seq
"""

# Restored change events are in the lake already, so the lake's position skips them; only when the
# lake has everything before them.
_ADVANCE_LAKE_POSITION = """
UPDATE stripe_sync.lake_position SET seq = seq + %(count)s
WHERE sync_id = %(sync_id)s AND seq = %(seq)s
"""

_CREATE_RECORDS = """
CREATE TEMPORARY TABLE stripe_restore (LIKE stripe_raw.records) ON COMMIT DROP
"""
_RECORD_COLUMNS = (
    "collection_id", "sync_id", "upstream_id", "id", "resource_id", "deleted", "payload",
    "payload_exact", "payload_hash", "inserted_at", "updated_at", "upstream_updated_at",
    "updated_idx", "observed_at", "api_version", "parent_id", "seq",
)  # fmt: skip
_COPY_RECORDS = f"COPY pg_temp.stripe_restore ({', '.join(_RECORD_COLUMNS)}) FROM STDIN"

# A record gets the position of its newest change event; one without any gets a new position.
_RECORDS = """
WITH placed AS (
    SELECT s.*, newest.seq AS event_seq,
        count(*) FILTER (WHERE newest.seq IS NULL) OVER (ORDER BY s.updated_at, s.upstream_id
            ROWS UNBOUNDED PRECEDING) AS place
    FROM pg_temp.stripe_restore AS s
    LEFT JOIN LATERAL (
        SELECT e.seq FROM stripe_raw.events AS e
        WHERE e.collection_id = s.collection_id AND e.sync_id = s.sync_id
            AND e.upstream_id = s.upstream_id
        ORDER BY e.seq DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT r.updated_idx, r.observed_at FROM stripe_raw.records AS r
        WHERE r.collection_id = s.collection_id AND r.sync_id = s.sync_id
            AND r.upstream_id = s.upstream_id
        LIMIT 1
    ) AS stored ON true
    WHERE stored.updated_idx IS NULL
        OR (stored.updated_idx < s.updated_idx AND stored.observed_at <= s.observed_at)
), base AS (
    UPDATE stripe_sync.stream_position
    SET last_seq = last_seq + (SELECT coalesce(max(place), 0) FROM placed)
    WHERE sync_id = %(sync_id)s
    RETURNING last_seq - (SELECT coalesce(max(place), 0) FROM placed) AS seq
), new_records AS (
    INSERT INTO stripe_raw.records ({columns})
    SELECT {values} coalesce(event_seq, base.seq + place) FROM base, placed
    ON CONFLICT (collection_id, sync_id, upstream_id) DO UPDATE SET
        deleted = excluded.deleted, payload = excluded.payload,
        payload_exact = excluded.payload_exact, payload_hash = excluded.payload_hash,
        updated_at = excluded.updated_at, upstream_updated_at = excluded.upstream_updated_at,
        updated_idx = excluded.updated_idx, seq = excluded.seq,
        observed_at = excluded.observed_at, api_version = excluded.api_version,
        parent_id = excluded.parent_id
    RETURNING 1
)
SELECT count(*) FROM new_records
""".replace("{columns}", ", ".join(_RECORD_COLUMNS)).replace(
    "{values}", "".join(f"{name}, " for name in _RECORD_COLUMNS if name != "seq")
)


class Restorer:
    """Restores one collection over one connection; not for several threads at once.

    Args:
        url: The warehouse.
        sync_id: The sync.
        resource_id: Its account and mode.
        collection_id: The collection.
        flush_lake: Writes the stream to the lake up to its end.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """

    def __init__(
        self,
        url: str,
        sync_id: UUID,
        resource_id: UUID,
        collection_id: str,
        flush_lake: Callable[[], object],
    ) -> None:
        self._flush_lake = flush_lake
        self._connection = open_connection(url)
        self._sync_id = sync_id
        self._common = {"sync_id": sync_id, "resource_id": resource_id}
        self._lock = lock_key("load", sync_id, collection_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def events(self, events: Sequence[EventRow]) -> int:
        """Append the change events that are missing.

        Args:
            events: In stream order; each at most once.

        Returns:
            Number of appended change events.

        Raises:
            WarehouseError: The warehouse cannot be reached or refuses them.
            LakeError: The lake cannot be written.
        """
        added = 0
        for source, group in groupby(events, key=lambda event: event.source):
            events_of_source = list(group)
            while (count := self._append(source, events_of_source)) is None:
                self._flush_lake()
            added += count
        return added

    def _append(self, source: Source, events: list[EventRow]) -> int | None:
        """Append events of one source; None, and nothing, when the lake is behind the stream."""
        with _explain(), self._connection.cursor() as cursor:
            cursor.execute(_LOCK, (self._lock,))
            events = events_without_erased(cursor, self._sync_id, events)
            cursor.execute(CREATE_STAGE)
            with cursor.copy(COPY_STAGE) as copy:
                for block in copy_blocks(Changes([], events, LoadResult()), events):
                    copy.write(block)
            cursor.execute(_EVENTS, {**self._common, "source": source})
            row = cursor.fetchone()
            assert row is not None  # noqa: S101 - every sync has a stream position
            count, seq = row
            if count:
                cursor.execute(_ADVANCE_LAKE_POSITION, {**self._common, "count": count, "seq": seq})
                if not cursor.rowcount:
                    self._connection.rollback()
                    return None
            self._connection.commit()
        return int(count)

    def records(self, records: Sequence[RecordRow]) -> int:
        """Insert or update the records that are missing or stored in an older version.

        Args:
            records: At most one version of each.

        Returns:
            Number of written records.

        Raises:
            WarehouseError: The warehouse cannot be reached or refuses them.
        """
        with _explain(), self._connection.cursor() as cursor:
            cursor.execute(_LOCK, (self._lock,))
            remember_from_lake(cursor, self._sync_id, records)
            records = records_without_erased(cursor, self._sync_id, records)
            cursor.execute(_CREATE_RECORDS)
            with cursor.copy(_COPY_RECORDS) as copy:
                for record in records:
                    copy.write_row(list(_values(record)))
            cursor.execute(_RECORDS, self._common)
            written = _count(cursor)
            self._connection.commit()
        return written


@contextmanager
def _explain() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        msg = f"the warehouse refused rows of the lake: {cause_of(error)}"
        raise WarehouseError(msg) from error


def _values(record: RecordRow) -> Iterator[Any]:
    payload = for_jsonb(record.payload_json)
    for name in _RECORD_COLUMNS:
        if name == "payload":
            yield payload.decode()
        elif name == "payload_exact":
            exact = exact_text(record.payload_json, payload)
            yield None if exact is None else exact.decode()
        elif name == "seq":
            yield 0
        else:
            value = getattr(record, name)
            yield value.isoformat() if isinstance(value, datetime) else value


def _count(cursor: psycopg.Cursor[tuple[Any, ...]]) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
