"""Results of reconciles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_table = tables.reconcile_state
_KEY = ("sync_id", "collection_id", "window_days")


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """Result of one reconcile of one collection.

    Attributes:
        sync_id: The sync.
        collection_id: The collection.
        window_days: Lookback in days; 0: all objects.
        reconciled_at: When it started; None, after a failure, keeps the time of the last success.
        objects: Objects read.
        drift: Records created, corrected or marked as deleted.
        requests: Requests made.
        seconds: Duration.
        complete: Whether all objects were listed, so that deletions could be detected.
        message: Reason of an incomplete or failed reconcile.
    """

    sync_id: UUID
    collection_id: str
    window_days: int
    reconciled_at: datetime | None
    objects: int
    drift: int
    requests: int
    seconds: float
    complete: bool
    message: str | None


class Reconciles:
    """Stores the last result for each collection and lookback."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def save(self, result: ReconcileResult) -> None:
        """Store a result in place of the one before."""
        values: dict[str, Any] = {name: getattr(result, name) for name in result.__slots__}
        statement = insert(_table).values(values)
        updates: dict[str, Any] = {
            name: statement.excluded[name] for name in values if name not in _KEY
        }
        updates["reconciled_at"] = sa.func.coalesce(
            statement.excluded.reconciled_at, _table.c.reconciled_at
        )
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c[name] for name in _KEY], set_=updates
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def times(self, sync_id: UUID) -> dict[str, dict[int, datetime]]:
        """When each collection was last reconciled, by collection id and lookback in days."""
        query = sa.select(
            _table.c.collection_id, _table.c.window_days, _table.c.reconciled_at
        ).where(_table.c.sync_id == sync_id, _table.c.reconciled_at.is_not(None))
        times: dict[str, dict[int, datetime]] = {}
        with explain(self.engine.url), self.engine.connect() as connection:
            for row in connection.execute(query):
                times.setdefault(str(row[0]), {})[int(row[1])] = row[2]
        return times
