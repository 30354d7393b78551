"""Objects and Stripe events that are set aside: those to try again, and those that are stored now.

They are added in the transaction of what was read with them. ``extract/normalize.py`` and
``extract/lists/usable_events.py`` decide what is set aside, ``sync/set_aside.py`` tries again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.records import Batch
from stripe_sync.records.set_aside import SetAside
from stripe_sync.version import __version__
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_table = tables.set_aside
_records = tables.records

_SAVE = """
INSERT INTO stripe_sync.set_aside
    (sync_id, collection_id, key, upstream_id, reason, text, observed_at, code_version)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (sync_id, collection_id, key) DO UPDATE SET
    reason = excluded.reason, observed_at = excluded.observed_at,
    code_version = excluded.code_version
"""


class SetAsides:
    """What cannot be stored as records, by sync."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def of_other_versions(self, sync_id: UUID, limit: int) -> list[SetAside]:
        """What another version of this code could not store, and Stripe did return."""
        query = (
            sa.select(_table)
            .where(
                _table.c.sync_id == sync_id,
                _table.c.code_version != __version__,
                _table.c.text.is_not(None),
            )
            .order_by(_table.c.observed_at)
            .limit(limit)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                SetAside(
                    row.collection_id,
                    row.key,
                    row.upstream_id,
                    row.reason,
                    row.text.encode(),
                    row.observed_at,
                )
                for row in connection.execute(query)
            ]

    def delete_tried(self, sync_id: UUID, tried: Sequence[SetAside]) -> None:
        """Delete what was tried again, but for what this version cannot store either."""
        statement = sa.delete(_table).where(
            _table.c.sync_id == sync_id,
            _table.c.key.in_([each.key for each in tried]),
            _table.c.code_version != __version__,
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def delete_stored(self, sync_id: UUID) -> None:
        """Delete objects of which a later state is stored."""
        statement = sa.delete(_table).where(
            _table.c.sync_id == sync_id,
            _records.c.sync_id == sync_id,
            _records.c.collection_id == _table.c.collection_id,
            _records.c.upstream_id == _table.c.upstream_id,
            _records.c.observed_at > _table.c.observed_at,
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)


def save_set_aside(cursor: psycopg.Cursor[tuple[Any, ...]], batch: Batch) -> None:
    """Store what a batch sets aside."""
    if not batch.set_aside:
        return
    cursor.executemany(
        _SAVE,
        [
            (
                batch.sync_id,
                each.collection_id,
                each.key,
                each.upstream_id,
                each.reason,
                None if each.text is None else each.text.decode(),
                each.observed_at,
                __version__,
            )
            for each in batch.set_aside
        ],
    )
