"""Writing a backfill: slices become chunks, each chunk a Parquet file and a transaction.

The number of a chunk is committed in the transaction that stores it, and is part of the names of
its files. A process that dies between file and transaction leaves at most the files of the next
number, and the next run deletes just those: no object is stored twice, none is lost. A new
generation is higher than those of the warehouse and of the lake: the warehouse may be younger than
the lake, or was restored from a backup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from stripe_sync.catalog import Collection
from stripe_sync.catalog.dependencies import derived_collections
from stripe_sync.clock import to_unix
from stripe_sync.errors import ConfigurationError
from stripe_sync.extract.lists.concurrent_ranges import Slice
from stripe_sync.lake import BackfillFile
from stripe_sync.records import (
    Batch,
    Checkpoint,
    CollectionStatus,
    EventRow,
    LoadResult,
    Observation,
    RecordRow,
    Source,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.progress import Progress, ProgressTracker, percent_covered
from stripe_sync.sync.refetch import load_certain
from stripe_sync.sync.session import Session
from stripe_sync.sync.set_aside import taken
from stripe_sync.warehouse.state.collections import CollectionState

CHUNK_OBJECTS = 2_000
"""Objects per transaction: large enough to be cheap, short enough for a poller beside it."""

CHUNK_SECONDS = 5.0
"""Longest time without a checkpoint."""

_DAY = 86_400


class ChunkWriter:
    """Writes the backfill of one collection.

    Args:
        session: The open sync.
        collection: The collection.
        since: Lower bound of the run, None for the sync's ``max_age_days``; a cursor of a run with
            another one is not resumed.
        restart_key: Start over, unless the stored cursor was saved under this same key.

    Attributes:
        bound: Unix seconds; objects created earlier are left out. None for all.
        objects: Objects written in this generation.
        refusals: What Stripe refused in this generation.
        totals: What this run changed.
    """

    def __init__(
        self,
        session: Session,
        collection: Collection,
        since: datetime | None,
        restart_key: str | None,
    ) -> None:
        self._session = session
        self._collection = collection
        days = session.settings.max_age_days if since is None else None
        self._options: JsonObject = {
            "since": to_unix(since) if since else None,
            "max_age_days": days,
            "run": restart_key,
        }
        self.bound: int | None = self._options["since"]
        if days is not None:
            self.bound = session.api.stripe_clock.now() - days * _DAY
        self._generation = 0
        self._chunk = 0
        self._lake_writer = session.warehouse.lake_position.writer(session.sync.id)
        self._written: set[str] = set()
        self._observations: list[Observation] = []
        self._cursor: JsonObject = {}
        self._covered: int | None = None
        self._share: float | None = None
        self._earliest: int | None = None
        self._earlier_requests = 0
        self._written_at = session.clock.monotonic()
        self._writer = session.warehouse.writer()
        self._tracker = ProgressTracker(collection.name, session.clock)
        self.objects = 0
        self.refusals = session.context.requester.refusals
        self.totals = LoadResult()

    @property
    def requests(self) -> int:
        """Requests sent in this generation."""
        return self._earlier_requests + self._session.api.stats.requests

    def begin(self) -> JsonObject:
        """Resume an interrupted run, or begin a new generation.

        Returns:
            The cursor to read from; empty for the beginning.

        Raises:
            ConfigurationError: The lake has the collection's history, and the warehouse does not.
        """
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        collection = self._collection
        state = warehouse.collections.state(sync_id, collection.id)
        names = [each.name for each in derived_collections(self._session.catalog, collection)]
        names.append(collection.name)
        in_lake = self._session.lake.backfill_files(collection.name, names)
        self._check_reloaded(in_lake)
        cursor: JsonObject = {}
        if (
            state
            and self._discard_unfinished(state, names, in_lake)
            and self._resumable(state.status, state.cursor)
        ):
            cursor = state.cursor or {}
            self._generation, self._chunk = state.generation, state.chunk
            self.objects, self._earlier_requests = state.objects, state.requests
            self._earliest, self.bound = cursor.get("earliest"), cursor.get("bound")
            self.refusals.load(cursor.get("refused", ()))
            self._tracker.begin(state.objects, state.percent)
        else:
            used = [file.generation for file in in_lake]
            self._generation = max([*used, state.generation if state else 0]) + 1
            self._chunk = 0
        warehouse.collections.start(
            sync_id, collection.id, generation=self._generation, resumed=bool(cursor)
        )
        return cursor

    def _check_reloaded(self, in_lake: Sequence[BackfillFile]) -> None:
        """Refuse to begin a second history of records, whose versions would begin at 1 again."""
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        foreign = any(file.writer != self._lake_writer for file in in_lake)
        if foreign and warehouse.records.is_empty(sync_id, self._collection.id):
            msg = (
                f"the lake has files of {self._collection.name} that another warehouse wrote, and "
                "this warehouse has no record of it: reload it with the DAG stripe_reload, or "
                "choose another lake or another name for the sync"
            )
            raise ConfigurationError(msg)

    def _discard_unfinished(
        self, state: CollectionState, names: Sequence[str], in_lake: Sequence[BackfillFile]
    ) -> bool:
        """Remove the files of the chunk that was not committed.

        Returns:
            Whether this warehouse is as new as the lake. One that was restored from a backup is
            older than its own later files: those of the next chunk are whole, and stay.
        """
        unfinished = self._file(state.generation, state.chunk + 1)
        own = [file for file in in_lake if file.writer == self._lake_writer]
        if own and max(own) > unfinished:
            return False
        for name in names:
            self._session.lake.discard(name, unfinished.name)
        return True

    def _resumable(self, status: CollectionStatus, cursor: JsonObject | None) -> bool:
        if not status.is_unfinished or not cursor:
            return False
        run = self._options["run"]
        same_run = run is None or cursor.get("run") == run
        bounds = ("since", "max_age_days")
        return same_run and all(cursor.get(name) == self._options[name] for name in bounds)

    async def add(self, read: Slice) -> bool:
        """Add a slice; write a chunk when it is large or old enough.

        Returns:
            Whether a chunk was written.
        """
        self._observations += [o for item in read.items for o in item.observations]
        if self._earliest is None and read.items:
            self._earliest = read.items[0].created
        self._cursor = read.cursor or {}
        self._covered, self._share = read.covered, read.share
        waited = self._session.clock.monotonic() - self._written_at
        if len(self._observations) < CHUNK_OBJECTS and waited < CHUNK_SECONDS:
            return False
        await self.flush()
        return True

    async def flush_read(self) -> None:
        """Write what was read before an error, if there is anything."""
        if self._observations:
            await self.flush()

    async def flush(self) -> None:
        """Write a chunk: data and cursor in one transaction."""
        observations, self._observations = self._observations, []
        self._chunk += 1
        self._written = set()
        # Without derived collections and deletions.
        own = self._collection.id
        self.objects += sum(o.collection_id == own and not o.deleted for o in observations)
        progress = self.progress()
        checkpoint = Checkpoint(
            collection_id=own,
            generation=self._generation,
            chunk=self._chunk,
            cursor={
                **self._cursor,
                **self._options,
                "bound": self.bound,
                "earliest": self._earliest,
                "refused": self.refusals.dump(),
            },
            objects=self.objects,
            requests=self.requests,
            percent=progress.percent,
            objects_per_second=progress.objects_per_second,
            seconds_left=progress.seconds_left,
        )
        load = partial(self._writer.load, on_rows=self._write_lake)
        async with taken(self._session) as set_aside:
            batch = Batch(
                sync_id=self._session.sync.id,
                resource_id=self._session.sync.resource_id,
                source=Source.BACKFILL,
                observations=observations,
                created_events=self._session.settings.created_events,
                checkpoint=checkpoint,
                set_aside=set_aside,
                redact_stored=self._session.context.redact_stored,
            )
            result = await load_certain(self._session, load, batch)
        self.totals.created += result.created
        self.totals.updated += result.updated
        self.totals.unchanged += result.unchanged + result.stale
        self._written_at = self._session.clock.monotonic()

    def progress(self) -> Progress:
        """The progress of the run."""
        percent = percent_covered(
            self._earliest, self._covered, until=self._session.api.stripe_clock.now()
        )
        if percent is None and self._share is not None:
            percent = round(100 * self._share, 1)
        return self._tracker.read(objects=self.objects, requests=self.requests, percent=percent)

    async def store_progress(self) -> Progress:
        """Store the progress without a chunk: a list may take many requests for few objects."""
        progress = self.progress()
        await asyncio.to_thread(
            self._session.warehouse.collections.set_progress,
            self._session.sync.id,
            self._collection.id,
            requests=progress.requests,
            percent=progress.percent,
            seconds_left=progress.seconds_left,
        )
        return progress

    def close(self) -> None:
        """Release the connection."""
        self._writer.close()

    def _write_lake(self, records: list[RecordRow], events: list[EventRow]) -> None:
        if records or events:
            file = self._file(self._generation, self._chunk)
            self._session.lake.write_chunk(file.name, records, events, self._written)

    def _file(self, generation: int, chunk: int) -> BackfillFile:
        return BackfillFile(self._collection.name, generation, chunk, self._lake_writer)
