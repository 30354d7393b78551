"""Getting a warehouse ready to be rebuilt from the lake."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_position = tables.stream_position
_collections = tables.collection_state


class Numbering:
    """Keeps numbers from being given out that the lake's files carry already."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def skip_positions(self, sync_id: UUID, last_seq: int) -> None:
        """Let the stream go on after this position, unless it is past it already."""
        statement = (
            sa.update(_position)
            .where(_position.c.sync_id == sync_id)
            .values(last_seq=sa.func.greatest(_position.c.last_seq, last_seq))
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def skip_generations(self, sync_id: UUID, generations: Mapping[str, int]) -> None:
        """Let backfills have higher numbers than these, the one that may be cleared away too.

        A backfill begins by clearing away what may be left of the newest generation, so that one
        must not be a generation whose files stand in the lake.

        Args:
            sync_id: The sync.
            generations: Numbers in use, by collection id.
        """
        if not generations:
            return
        rows = [
            {"sync_id": sync_id, "collection_id": name, "generation": number + 1}
            for name, number in generations.items()
        ]
        statement = insert(_collections).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=[_collections.c.sync_id, _collections.c.collection_id],
            set_={"generation": statement.excluded.generation},
            # A backfill that can go on keeps the number of its files.
            where=_collections.c.generation + 1 < statement.excluded.generation,
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
