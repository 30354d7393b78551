"""Stream position that the lake has reached."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection, Engine

from stripe_sync.warehouse.connect import explain, using
from stripe_sync.warehouse.schema import tables

_table = tables.lake_position


class LakePosition:
    """Reads and advances the lake's position in the stream of each sync."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def get(self, sync_id: UUID, connection: Connection | None = None) -> int:
        """The lake has all change events up to this position, except those of backfills.

        Args:
            sync_id: The sync.
            connection: The connection to read with; None for one of the pool.
        """
        query = sa.select(_table.c.seq).where(_table.c.sync_id == sync_id)
        with explain(self.engine.url), using(self.engine, connection) as used:
            seq = used.scalar(query)
        return int(seq or 0)

    def writer(self, sync_id: UUID) -> str:
        """What the lake files of this warehouse's backfills have in their names.

        8 random hexadecimal digits, chosen when the sync was created.
        """
        query = sa.select(_table.c.writer).where(_table.c.sync_id == sync_id)
        with explain(self.engine.url), self.engine.connect() as connection:
            return str(connection.scalar(query))

    def advance(self, sync_id: UUID, seq: int, lock_connection: Connection) -> None:
        """Move the position forward; a lower position changes nothing.

        Args:
            sync_id: The sync.
            seq: The new position.
            lock_connection: The connection of ``locks.lake``: without the lock this fails.

        Raises:
            WarehouseError: The connection, and with it the lock, was lost.
        """
        statement = insert(_table).values(sync_id=sync_id, seq=seq)
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c.sync_id],
            set_={"seq": sa.func.greatest(_table.c.seq, statement.excluded.seq)},
        )
        with explain(self.engine.url):
            lock_connection.execute(statement)
