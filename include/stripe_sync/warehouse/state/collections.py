"""How the backfill of each collection stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.state.syncs import Syncs

_table = tables.collection_state
_ENDED = ("done", "empty", "forbidden", "retired", "not_implemented")


@dataclass(frozen=True, slots=True)
class CollectionStatus:
    """How the backfill of one collection stands.

    Attributes:
        sync_id: The sync.
        collection_id: ``stripe:customer``.
        status: pending, running, done, empty, forbidden, retired, failed or not_implemented.
        message: Why.
        permission: ``rak_…`` name that the key lacks, when forbidden.
        generation: Full backfills begun; 0 before the first.
        chunk: Last chunk that landed in this generation; 0 before the first.
        position: Where the extraction goes on; None at the start.
        objects: Objects seen in this generation.
        requests: Requests made in this generation.
        percent: 0 to 100 where it can be known.
        objects_per_second: Of the last run.
        eta: When the run will be done, where it can be known; None when it does not run.
        seconds: Time that the last run took.
        started_at: When the last run started.
        finished_at: When it ended; None while it runs.
        updated_at: When anything here last changed.
    """

    sync_id: UUID
    collection_id: str
    status: str
    message: str | None
    permission: str | None
    generation: int
    chunk: int
    position: JsonObject | None
    objects: int
    requests: int
    percent: float | None
    objects_per_second: float | None
    eta: datetime | None
    seconds: float | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime

    @property
    def collection(self) -> str:
        """Short name, ``customer``."""
        return self.collection_id.partition(":")[2]


class Collections:
    """Reads and writes how the backfill of each collection stands."""

    def __init__(self, engine: Engine, syncs: Syncs) -> None:
        self.engine = engine
        self._syncs = syncs

    def statuses(self, sync_name: str) -> list[CollectionStatus]:
        """All collections of a sync that were ever queued or run, by id.

        Raises:
            ConfigurationError: There is no such sync.
            WarehouseError: The warehouse cannot be reached.
        """
        sync_id = self._syncs.get(sync_name).id
        query = (
            sa.select(_table).where(_table.c.sync_id == sync_id).order_by(_table.c.collection_id)
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return [_status(row) for row in connection.execute(query).mappings()]

    def state(self, sync_id: UUID, collection_id: str) -> CollectionStatus | None:
        """One collection; None when it was never queued or run."""
        query = sa.select(_table).where(
            _table.c.sync_id == sync_id, _table.c.collection_id == collection_id
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _status(row) if row else None

    def queue(self, sync_id: UUID, collection_id: str) -> None:
        """Mark a collection as waiting for its run.

        What an interrupted run left to go on from stays; after a run that ended, the next one
        begins anew. A collection that is running stays so.
        """
        ended = _table.c.status.in_(_ENDED)
        self._put(
            sync_id,
            collection_id,
            first={"status": "pending"},
            again={
                "status": sa.case((_table.c.status == "running", "running"), else_="pending"),
                "position": sa.case((ended, sa.null()), else_=_table.c.position),
                "message": None,
                "permission": None,
            },
        )

    def start(self, sync_id: UUID, collection_id: str, *, generation: int, resumed: bool) -> None:
        """Mark a collection as running.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            generation: Number of this backfill, from 1.
            resumed: Go on from the stored position; else forget it and count from nothing.
        """
        values: dict[str, Any] = {
            "status": "running",
            "message": None,
            "permission": None,
            "generation": generation,
            "objects_per_second": None,
            "eta": None,
            "seconds": None,
            "started_at": sa.func.now(),
            "finished_at": None,
        }
        if not resumed:
            values |= {
                "chunk": 0,
                "position": sa.null(),
                "objects": 0,
                "requests": 0,
                "percent": None,
            }
        self._put(sync_id, collection_id, first=values, again=values)

    def finish(
        self,
        sync_id: UUID,
        collection_id: str,
        status: str,
        message: str | None = None,
        *,
        permission: str | None = None,
        objects: int | None = None,
        requests: int | None = None,
        seconds: float | None = None,
        objects_per_second: float | None = None,
    ) -> None:
        """Note how a run ended.

        Args:
            sync_id: The sync.
            collection_id: The collection; it need not have been queued.
            status: done, empty, forbidden, retired, failed or not_implemented.
            message: Why.
            permission: ``rak_…`` name that the key lacks, when forbidden.
            objects: Objects there are; None leaves what the last chunk noted.
            requests: Requests made in this generation; None leaves what the last chunk noted.
            seconds: Time that the run took.
            objects_per_second: Of the run.
        """
        values: dict[str, Any] = {
            "status": status,
            "message": message,
            "permission": permission,
            "objects_per_second": objects_per_second,
            "eta": None,
            "seconds": seconds,
            "finished_at": sa.func.now(),
        }
        if objects is not None:
            values["objects"] = objects
        if requests is not None:
            values["requests"] = requests
        if status in ("done", "empty"):
            values["percent"] = 100
        self._put(sync_id, collection_id, first=values, again=values)

    def _put(
        self, sync_id: UUID, collection_id: str, *, first: dict[str, Any], again: dict[str, Any]
    ) -> None:
        now = {"updated_at": sa.func.now()}
        statement = insert(_table).values(
            sync_id=sync_id, collection_id=collection_id, **first, **now
        )
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c.sync_id, _table.c.collection_id], set_={**again, **now}
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)


def _status(row: sa.RowMapping) -> CollectionStatus:
    numbers = {name: _number(row[name]) for name in ("percent", "objects_per_second", "seconds")}
    return CollectionStatus(**{**row, **numbers})


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
