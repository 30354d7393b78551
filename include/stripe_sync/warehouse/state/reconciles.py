"""Reading again: what was stored before, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables

_records = tables.records
_table = tables.reconcile_state


@dataclass(frozen=True, slots=True)
class StoredState:
    """A record that is not deleted.

    Attributes:
        upstream_id: Its key within its collection.
        payload: The object.
        parent_id: The object that it belongs to, if any.
    """

    upstream_id: str
    payload: JsonObject
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the last reading again of a collection came to.

    Attributes:
        sync_id: The sync.
        collection_id: The collection.
        window_days: Days looked back; 0 stands for everything.
        reconciled_at: When it began; None leaves the time of the one before, as this one failed.
        objects: Objects read.
        drift: Records that were missing, differed or should have been deleted.
        requests: Requests made.
        seconds: Time that it took.
        complete: Whether everything was shown.
        message: What there is to say.
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
    """Finds what a reading did not show, and keeps what came of readings."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def keys_observed_before(
        self, sync_id: UUID, collection_id: str, moment: datetime, *, after: str, limit: int
    ) -> list[str]:
        """Keys of records that are not deleted and were last observed before a moment, in order.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            moment: When a reading began: what was stored since is not its business.
            after: The last key seen; empty for the beginning.
            limit: At most so many.
        """
        query = (
            sa.select(_records.c.upstream_id)
            .where(
                _records.c.collection_id == collection_id,
                _records.c.sync_id == sync_id,
                _records.c.upstream_id > after,
                _records.c.observed_at < moment,
                ~_records.c.deleted,
            )
            .order_by(_records.c.upstream_id)
            .limit(limit)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [str(row[0]) for row in connection.execute(query)]

    def stored_states(
        self, sync_id: UUID, collection_id: str, upstream_ids: Sequence[str]
    ) -> list[StoredState]:
        """Those of these records that exist and are not deleted."""
        query = sa.select(
            _records.c.upstream_id,
            sa.func.coalesce(_records.c.payload_exact, sa.cast(_records.c.payload, sa.Text)),
            _records.c.parent_id,
        ).where(
            _records.c.collection_id == collection_id,
            _records.c.sync_id == sync_id,
            _records.c.upstream_id
            == sa.func.any(sa.literal(list(upstream_ids), sa.ARRAY(sa.Text))),
            ~_records.c.deleted,
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [
                StoredState(row[0], canonical_json.loads(row[1]), row[2])
                for row in connection.execute(query)
            ]

    def save(self, found: Reconciled) -> None:
        """Keep what a reading came to."""
        values: dict[str, Any] = {name: getattr(found, name) for name in Reconciled.__slots__}
        statement = insert(_table).values(values)
        again: dict[str, Any] = {
            name: statement.excluded[name] for name in values if name not in _KEY
        }
        again["reconciled_at"] = sa.func.coalesce(
            statement.excluded.reconciled_at, _table.c.reconciled_at
        )
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c[name] for name in _KEY], set_=again
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def times(self, sync_id: UUID) -> dict[str, dict[int, datetime]]:
        """When each collection was last read again, by collection id and window in days."""
        query = sa.select(
            _table.c.collection_id, _table.c.window_days, _table.c.reconciled_at
        ).where(_table.c.sync_id == sync_id, _table.c.reconciled_at.is_not(None))
        found: dict[str, dict[int, datetime]] = {}
        with explain(self.engine.url), self.engine.connect() as connection:
            for row in connection.execute(query):
                found.setdefault(str(row[0]), {})[int(row[1])] = row[2]
        return found


_KEY = ("sync_id", "collection_id", "window_days")
