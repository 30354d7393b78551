"""Removes the rows of a sync, in transactions of a few thousand rows each."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import poll_tables, tables

PART_ROWS = 5_000
"""Rows that one transaction deletes."""

_EVENTS = sa.text("""
DELETE FROM stripe_raw.events WHERE sync_id = :sync_id AND seq IN (
    SELECT seq FROM stripe_raw.events WHERE sync_id = :sync_id ORDER BY seq LIMIT :rows)
""")

# The primary key begins with the collection: found by the index of the stream, deleted by place.
_RECORDS = sa.text("""
DELETE FROM stripe_raw.records WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM stripe_raw.records WHERE sync_id = :sync_id ORDER BY seq LIMIT :rows))
""")

_ERASED = sa.text("""
DELETE FROM stripe_sync.erased_objects WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM stripe_sync.erased_objects WHERE sync_id = :sync_id LIMIT :rows))
""")

_PROCESSED_EVENTS = sa.text("""
DELETE FROM stripe_sync.processed_events WHERE sync_id = :sync_id AND stripe_event_id IN (
    SELECT stripe_event_id FROM stripe_sync.processed_events
    WHERE sync_id = :sync_id ORDER BY stripe_event_id LIMIT :rows)
""")

# Later rows of a sync with the same id have positions from 1 again.
_WATCHERS = sa.text("""
UPDATE stripe_sync.stream_watchers SET positions = positions - cast(:sync_id AS text)
WHERE positions ? cast(:sync_id AS text)
""")

_COUNTS = sa.text("""
DELETE FROM stripe_sync.collection_counts
WHERE sync_id = :sync_id AND records = 0 AND deleted = 0 AND change_events = 0
""")


class SyncRemoval:
    """Removes syncs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def delete_data(self, sync_id: UUID) -> Iterator[tuple[str, int]]:
        """Delete change events and records, part by part.

        Yields:
            After each transaction the name of a table, and the number of deleted rows.

        Raises:
            WarehouseError: The warehouse cannot be reached; what was deleted stays deleted.
        """
        yield from self._delete("events", _EVENTS, sync_id)
        yield from self._delete("records", _RECORDS, sync_id)
        yield from self._delete(tables.erased_objects.name, _ERASED, sync_id)
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(_WATCHERS, {"sync_id": sync_id})
            connection.execute(_COUNTS, {"sync_id": sync_id})

    def delete_state(self, sync_id: UUID) -> Iterator[tuple[str, int]]:
        """Delete the sync itself, and last its row with everything that belongs to it.

        Yields:
            After each transaction the name of a table and the number of deleted rows.

        Raises:
            WarehouseError: The warehouse cannot be reached; what was deleted stays deleted.
        """
        yield from self._delete(poll_tables.processed_events.name, _PROCESSED_EVENTS, sync_id)
        statement = sa.delete(tables.syncs).where(tables.syncs.c.id == sync_id)
        with explain(self.engine.url), self.engine.begin() as connection:
            deleted = connection.execute(statement).rowcount
        yield "syncs", deleted

    def _delete(
        self, name: str, statement: sa.TextClause, sync_id: UUID
    ) -> Iterator[tuple[str, int]]:
        while True:
            with explain(self.engine.url), self.engine.begin() as connection:
                values = {"sync_id": sync_id, "rows": PART_ROWS}
                deleted = connection.execute(statement, values).rowcount
            if not deleted:
                return
            yield name, deleted
