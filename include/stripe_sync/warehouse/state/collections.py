"""State of each collection's backfill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from stripe_sync.records import CollectionStatus
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.collection_status import IN_PART
from stripe_sync.warehouse.connect import explain
from stripe_sync.warehouse.schema import tables
from stripe_sync.warehouse.state.syncs import Syncs

_table = tables.collection_state
_FINISHED = [status for status in CollectionStatus if not status.is_unfinished]


@dataclass(frozen=True, slots=True)
class CollectionState:
    """State of one collection's backfill.

    Attributes:
        sync_id: The sync.
        collection_id: ``stripe:customer``.
        status: Status of the backfill.
        message: Reason of the status.
        permission: ``rak_…`` name of a permission that the key lacks, None where it lacks none.
        generation: Number of full backfills started; 0 before the first.
        chunk: Number of the last chunk written in this generation; 0 before the first.
        cursor: Where reading resumes; None at the start.
        objects: Objects read in this generation.
        requests: Requests made in this generation.
        percent: Progress, 0 to 100; None where unknown.
        objects_per_second: Speed of the last run.
        eta: When the run will be done; None where unknown or when none is running.
        seconds: Duration of the last run.
        started_at: When the last generation started: everything was read since.
        finished_at: When it ended; None while it runs.
        updated_at: When the row last changed.
        searched_seq: Stream position up to which records were searched for ids of missing objects
            of this collection; 0 before the first search.
    """

    sync_id: UUID
    collection_id: str
    status: CollectionStatus
    message: str | None
    permission: str | None
    generation: int
    chunk: int
    cursor: JsonObject | None
    objects: int
    requests: int
    percent: float | None
    objects_per_second: float | None
    eta: datetime | None
    seconds: float | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    searched_seq: int

    @property
    def collection(self) -> str:
        """Short name, ``customer``."""
        return self.collection_id.partition(":")[2]


class Collections:
    """Reads and writes the state of each collection's backfill."""

    def __init__(self, engine: Engine, syncs: Syncs) -> None:
        self.engine = engine
        self._syncs = syncs

    def states(self, sync_name: str) -> list[CollectionState]:
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
            return [_state(row) for row in connection.execute(query).mappings()]

    def state(self, sync_id: UUID, collection_id: str) -> CollectionState | None:
        """One collection; None when it was never queued or run."""
        query = sa.select(_table).where(
            _table.c.sync_id == sync_id, _table.c.collection_id == collection_id
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _state(row) if row else None

    def backfilling(self, sync_id: UUID) -> bool:
        """Whether any collection is pending or running."""
        unfinished = [CollectionStatus.PENDING, CollectionStatus.RUNNING]
        query = sa.select(
            sa.exists().where(_table.c.sync_id == sync_id, _table.c.status.in_(unfinished))
        )
        with explain(self.engine.url), self.engine.connect() as connection:
            return bool(connection.scalar(query))

    def queue(self, sync_id: UUID, collection_id: str) -> None:
        """Mark a collection as pending.

        The cursor of an interrupted run stays; after a finished run, the next one starts over. A
        running collection stays running.
        """
        running = _table.c.status == CollectionStatus.RUNNING
        finished = _table.c.status.in_(_FINISHED)
        self._upsert(
            sync_id,
            collection_id,
            insert_values={"status": CollectionStatus.PENDING},
            update_values={
                "status": sa.case((running, _table.c.status), else_=CollectionStatus.PENDING),
                "cursor": sa.case((finished, sa.null()), else_=_table.c.cursor),
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
            resumed: Resume from the stored cursor; else delete it and reset the counters.
        """
        values: dict[str, Any] = {
            "status": CollectionStatus.RUNNING,
            "message": None,
            "permission": None,
            "generation": generation,
            "objects_per_second": None,
            "eta": None,
            "seconds": None,
            "finished_at": None,
        }
        if not resumed:
            values |= {
                "started_at": sa.func.now(),
                "chunk": 0,
                "cursor": sa.null(),
                "objects": 0,
                "requests": 0,
                "percent": None,
            }
        self._upsert(sync_id, collection_id, insert_values=values, update_values=values)

    def set_progress(
        self,
        sync_id: UUID,
        collection_id: str,
        *,
        requests: int,
        percent: float | None,
        seconds_left: float | None,
    ) -> None:
        """Store the progress of a running backfill between two chunks.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            requests: Requests made in this generation.
            percent: 0 to 100; None keeps that of the last chunk.
            seconds_left: Estimated seconds until the end; None where unknown.
        """
        left = None if seconds_left is None else timedelta(seconds=seconds_left)
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, _table.c.collection_id == collection_id)
            .values(
                requests=requests,
                percent=sa.func.coalesce(percent, _table.c.percent),
                eta=sa.func.now() + left if left else None,
                updated_at=sa.func.now(),
            )
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def finish(
        self,
        sync_id: UUID,
        collection_id: str,
        status: CollectionStatus,
        message: str | None = None,
        *,
        permission: str | None = None,
        objects: int | None = None,
        requests: int | None = None,
        seconds: float | None = None,
        objects_per_second: float | None = None,
    ) -> None:
        """Store the result of a run.

        Args:
            sync_id: The sync.
            collection_id: The collection; it need not have been queued.
            status: Result of the run.
            message: Reason of the status.
            permission: ``rak_…`` name of a permission that the key lacks.
            objects: Number of objects; None keeps that of the last chunk.
            requests: Requests made in this generation; None keeps that of the last chunk.
            seconds: Duration of the run.
            objects_per_second: Speed of the run.
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
        if status.is_complete:
            values["percent"] = 100
        self._upsert(sync_id, collection_id, insert_values=values, update_values=values)

    def set_missing(
        self,
        sync_id: UUID,
        collection_id: str,
        message: str | None,
        permission: str | None,
        *,
        replace: bool,
    ) -> None:
        """Note what is missing from a collection whose backfill is complete.

        Args:
            sync_id: The sync.
            collection_id: The collection.
            message: What is missing, None for nothing.
            permission: ``rak_…`` name of the permission that the key lacks, where it is the reason.
            replace: Replace what an earlier read missed; else only add where nothing is missing.
        """
        complete = [status for status in CollectionStatus if status.is_complete]
        known = _table.c.message.startswith(IN_PART) if replace else sa.false()
        statement = (
            sa.update(_table)
            .where(_table.c.sync_id == sync_id, _table.c.collection_id == collection_id)
            .where(_table.c.status.in_(complete), sa.or_(_table.c.message.is_(None), known))
            .where(_table.c.message.is_distinct_from(message))
            .values(message=message, permission=permission, updated_at=sa.func.now())
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def skip_generations(self, sync_id: UUID, generations: Mapping[str, int]) -> None:
        """Start the next backfills with generations higher than these.

        A backfill begins by deleting unfinished lake files of the stored generation. So that
        generation, too, is higher than those of the lake's files.

        Args:
            sync_id: The sync.
            generations: Generations in use, by collection id.
        """
        if not generations:
            return
        rows = [
            {"sync_id": sync_id, "collection_id": collection_id, "generation": generation + 1}
            for collection_id, generation in generations.items()
        ]
        statement = insert(_table).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c.sync_id, _table.c.collection_id],
            set_={"generation": statement.excluded.generation},
            # A backfill that can resume keeps the generation of its files.
            where=_table.c.generation + 1 < statement.excluded.generation,
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)

    def _upsert(
        self,
        sync_id: UUID,
        collection_id: str,
        *,
        insert_values: dict[str, Any],
        update_values: dict[str, Any],
    ) -> None:
        now = {"updated_at": sa.func.now()}
        statement = insert(_table).values(
            sync_id=sync_id, collection_id=collection_id, **insert_values, **now
        )
        statement = statement.on_conflict_do_update(
            index_elements=[_table.c.sync_id, _table.c.collection_id],
            set_={**update_values, **now},
        )
        with explain(self.engine.url), self.engine.begin() as connection:
            connection.execute(statement)


def _state(row: sa.RowMapping) -> CollectionState:
    numbers = {name: _number(row[name]) for name in ("percent", "objects_per_second", "seconds")}
    return CollectionState(**{**row, **numbers, "status": CollectionStatus(row["status"])})


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
