"""Getting a warehouse ready to be rebuilt from the lake."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.warehouse import tables
from stripe_sync.warehouse.connect import explain

_position = tables.stream_position
_collections = tables.collection_state


class RebuildStore:
    """Keeps numbers from being given out that the lake's files carry already."""

    engine: Engine

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
        """Let the next backfill of each collection have a higher number than these.

        Args:
            sync_id: The sync.
            generations: Numbers in use, by collection id.
        """
        if not generations:
            return
        rows = [
            {"sync_id": sync_id, "collection_id": name, "generation": number}
            for name, number in generations.items()
        ]
        statement = insert(_collections).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=[_collections.c.sync_id, _collections.c.collection_id],
            set_={
                "generation": sa.func.greatest(
                    _collections.c.generation, statement.excluded.generation
                )
            },
            # A backfill that can go on keeps the number of its files.
            where=_collections.c.generation < statement.excluded.generation,
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)
