"""Fills typed tables again from the payloads: new columns after an upgrade, or everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.locks import lock_key
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.typed_tables.columns import TypedTable, quoted, typed_tables
from stripe_sync.warehouse.typed_tables.statements import SCHEMA, function_name

PART_ROWS = 1_000
"""Rows that one transaction fills; writers of the collection wait for it."""

_state = tables.typed_tables
_FIRST = UUID(int=0)

_UNFILLED = sa.text("""
SELECT collection_id, filled_sync_id, filled_key FROM stripe_sync.typed_tables
WHERE NOT is_filled AND collection_id = ANY (CAST(:known AS text[]))
ORDER BY collection_id LIMIT 1 FOR UPDATE
""")
# A removal of the sync waits with its deletions, so that no row outlives its record.
_KEYS = sa.text("""
SELECT sync_id, upstream_id FROM stripe_raw.records
WHERE collection_id = :collection_id AND (sync_id, upstream_id) > (:sync_id, :key)
ORDER BY sync_id, upstream_id LIMIT :rows FOR KEY SHARE
""")
_LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)")


class TypedTables:
    """Fills typed tables; any number of processes may do so at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def restart(self, collection_ids: Collection[str]) -> None:
        """Have all rows of some collections filled again.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        statement = (
            sa.update(_state)
            .where(_state.c.collection_id.in_(collection_ids))
            .values(is_filled=False, filled_sync_id=None, filled_key=None)
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def fill(self) -> Iterator[tuple[str, int]]:
        """Fill what is not filled yet; goes on where an interrupted call stopped.

        Yields:
            After each transaction a collection id and the number of rows.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        by_id = {table.collection_id: table for table in typed_tables()}
        while True:
            with explain(self.engine.url), self.engine.begin() as connection:
                # Tables that only a newer version knows are left to that.
                row = connection.execute(_UNFILLED, {"known": list(by_id)}).first()
                if row is None:
                    return
                part = _fill_part(connection, by_id[row[0]], row[1] or _FIRST, row[2] or "")
            yield row[0], part


def _fill_part(connection: Connection, table: TypedTable, sync_id: UUID, key: str) -> int:
    """Fill the rows that follow a key; the number of rows, 0 at the end."""
    place = {"collection_id": table.collection_id, "sync_id": sync_id, "key": key}
    rows = connection.execute(_KEYS, place | {"rows": PART_ROWS}).all()
    changes: dict[str, Any] = {"is_filled": True, "filled_sync_id": None, "filled_key": None}
    if rows:
        sync_id = rows[0][0]
        keys = [row[1] for row in rows if row[0] == sync_id]
        connection.execute(_LOCK, {"key": lock_key("load", sync_id, table.collection_id)})
        call = f"SELECT {SCHEMA}.{function_name(table.collection_id)}(:sync_id, :keys, false)"
        connection.execute(sa.text(call), {"sync_id": sync_id, "keys": keys})
        changes = {"filled_sync_id": sync_id, "filled_key": keys[-1]}
    else:
        connection.execute(sa.text(_without_record(table)))
    mine = _state.c.collection_id == table.collection_id
    connection.execute(sa.update(_state).where(mine).values(**changes))
    return len(keys) if rows else 0


def _without_record(table: TypedTable) -> str:
    """The statement that deletes rows without a record."""
    return f"""
        DELETE FROM {SCHEMA}.{quoted(table.name)} AS t WHERE NOT EXISTS (
            SELECT FROM {SCHEMA}.records WHERE collection_id = '{table.collection_id}'
                AND sync_id = t._sync_id AND upstream_id = t.{quoted(table.key)})
    """
