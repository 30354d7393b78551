"""How far each consumer has read each sync's stream."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema.consumer_tables import consumer_cursors
from stripe_sync.warehouse.schema.tables import lake_position

WAREHOUSE = "warehouse"
"""Consumer that has each change with its commit."""

LAKE = "lake"
"""Consumer whose cursor is the lake's position."""


class ConsumerCursors:
    """Reads the cursors of consumers."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def names(self, sync_id: UUID) -> set[str]:
        """Names of the consumers of a sync.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        statement = sa.select(consumer_cursors.c.consumer).where(
            consumer_cursors.c.sync_id == sync_id
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return {WAREHOUSE, LAKE, *connection.scalars(statement)}

    def behind(self, sync_id: UUID, consumers: Sequence[str], seq: int) -> list[str]:
        """Those of some consumers that have not read up to a stream position.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        own = sa.select(consumer_cursors.c.consumer, consumer_cursors.c.seq).where(
            consumer_cursors.c.sync_id == sync_id, consumer_cursors.c.consumer.in_(consumers)
        )
        lake = sa.select(sa.literal(LAKE), lake_position.c.seq).where(
            lake_position.c.sync_id == sync_id
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            rows = connection.execute(own.union_all(lake)).all()
        reached: dict[str, int] = {row[0]: row[1] for row in rows}
        reached[WAREHOUSE] = seq
        return [name for name in consumers if reached.get(name, 0) < seq]
