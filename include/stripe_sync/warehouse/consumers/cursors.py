"""How far each consumer has read each sync's stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema.consumer_tables import consumers
from stripe_sync.warehouse.schema.tables import lake_position

WAREHOUSE = "warehouse"
"""Consumer that has each change with its commit."""

LAKE = "lake"
"""Consumer whose cursor is the lake's position."""

# An item that waits for another try is not delivered, although the cursor has passed it. Only items
# of the changes that are waited for count: others may fail for long. retry_at stays while a target
# is tried again, which may take a minute where it does not answer. Between two runs of the delivery
# there are seconds; after a minute nobody delivers.
_PROGRESS = """
SELECT c.name,
    coalesce(k.seq, 0) >= :seq AND NOT EXISTS (
        SELECT FROM stripe_sync.consumer_items AS i
        WHERE i.consumer = c.name AND i.sync_id = s.id AND i.state <> 'dead'
            AND (i.seq = ANY (:seqs) OR :all_before AND i.seq <= :seq)
    ) AS passed,
    EXISTS (
        SELECT FROM stripe_sync.consumer_items AS i
        WHERE i.consumer = c.name AND i.sync_id = s.id AND i.state = 'dead' AND i.seq = ANY (:seqs)
    ) AS dead,
    c.paused_at IS NOT NULL OR c.retry_at IS NOT NULL OR c.kind <> 'pull'
        AND coalesce(c.lease_until, c.created_at) < clock_timestamp() - interval '1 minute'
        AS stopped,
    c.filters -> 'collection_id' <> '[]' AND NOT c.filters -> 'collection_id' ? :collection_id
        OR c.filters -> 'sync_id' <> '[]'
            AND NOT c.filters -> 'sync_id' ?| ARRAY[s.name, s.id::text] AS excluded
FROM stripe_sync.consumers AS c
CROSS JOIN stripe_sync.syncs AS s
LEFT JOIN stripe_sync.consumer_cursors AS k ON k.sync_id = s.id AND k.consumer = c.name
WHERE c.name = ANY (:names) AND s.id = :sync_id
"""


class ConsumerCursors:
    """Reads the cursors of consumers."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def names(self) -> set[str]:
        """Names of all consumers.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        with explain(self.engine.url), self.engine.connect() as connection:
            return {WAREHOUSE, LAKE, *connection.scalars(sa.select(consumers.c.name))}

    def behind(
        self,
        sync_id: UUID,
        names: Sequence[str],
        seqs: Sequence[int],
        collection_id: str,
        *,
        all_before: bool = False,
    ) -> dict[str, bool]:
        """Those of some consumers that do not have some changes.

        One whose filters leave the changes out has nothing to wait for and is not among them.

        Args:
            sync_id: The sync.
            names: Of the consumers.
            seqs: Stream positions of the changes.
            collection_id: Collection of the changed objects.
            all_before: Whether they must have all earlier changes as well: where only the last
                position is known.

        Returns:
            By name whether the consumer may still get them: one that is paused, or to which nobody
            delivers, or whose target failed at the last try, or that has given one of them up,
            does not.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        values = {
            "sync_id": sync_id,
            "names": list(names),
            "seq": max(seqs),
            "seqs": list(seqs),
            "collection_id": collection_id,
            "all_before": all_before,
        }
        lake = sa.select(lake_position.c.seq).where(lake_position.c.sync_id == sync_id)
        found: dict[str, bool] = {}
        with explain(self.engine.url), self.engine.connect() as connection:
            rows: dict[str, Any] = {
                row.name: row for row in connection.execute(sa.text(_PROGRESS), values)
            }
            for name in names:
                row = rows.get(name)
                if name == LAKE and (connection.scalar(lake) or 0) < max(seqs):
                    found[name] = True
                elif row is not None and not row.excluded and (row.dead or not row.passed):
                    found[name] = not (row.dead or row.stopped)
                elif row is None and name not in (LAKE, WAREHOUSE):
                    found[name] = False  # deleted meanwhile
        return found
