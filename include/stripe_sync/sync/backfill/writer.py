"""Landing a backfill: slices become chunks, each chunk a Parquet file and a transaction.

A chunk's number is committed in the transaction that lands it, and its files are named by that
number. A process that dies between file and transaction leaves at most the files of the next
number, and whoever goes on removes just those: no object twice, none lost.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from stripe_sync.catalog import Collection
from stripe_sync.clock import to_unix
from stripe_sync.extract.reading import derived_collections
from stripe_sync.extract.windows import Slice
from stripe_sync.records import (
    Batch,
    Checkpoint,
    EventRow,
    LoadResult,
    Observation,
    RecordRow,
    Source,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.sync.session import Session

CHUNK_OBJECTS = 2_000
"""Objects a transaction lands: large enough to be cheap, short enough for a poller beside."""

CHUNK_SECONDS = 5.0
"""Longest time without a checkpoint."""

UNFINISHED = ("pending", "running", "failed")


class ChunkWriter:
    """Lands the backfill of one collection.

    Args:
        session: The open sync.
        row: The collection.
        since: Lower bound of the run; a position made under another one is not resumed. None for
            the one that the sync's ``max_age_days`` comes to.
        restart_key: Start over, unless the stored position was made under this same key.
    """

    def __init__(
        self, session: Session, row: Collection, since: datetime | None, restart_key: str | None
    ) -> None:
        self._session = session
        self._row = row
        days = session.settings.max_age_days if since is None else None
        self._made_under: JsonObject = {
            "since": to_unix(since) if since else None,
            "max_age_days": days,
            "run": restart_key,
        }
        self.bound: int | None = self._made_under["since"]
        if days is not None:
            self.bound = to_unix(session.clock.now() - timedelta(days=days))
        self._generation = 0
        self._chunk = 0
        self._observations: list[Observation] = []
        self._position: JsonObject = {}
        self._covered: int | None = None
        self._earliest: int | None = None
        self._earlier_requests = 0
        self._landed_at = session.clock.monotonic()
        self._writer = session.warehouse.writer()
        self._meter = ProgressTracker(row.name, session.clock)
        self.objects = 0
        self.totals = LoadResult()

    @property
    def requests(self) -> int:
        """Requests made in this generation."""
        return self._earlier_requests + self._session.api.stats.requests

    def begin(self) -> JsonObject:
        """Go on where an interrupted run stopped, or begin a new generation.

        Returns:
            The position to read from; empty for the beginning.
        """
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        state = warehouse.collections.state(sync_id, self._row.id)
        position: JsonObject = {}
        if state:
            orphan = self._file_name(state.generation, state.chunk + 1)
            for row in (self._row, *derived_collections(self._session.catalog, self._row)):
                self._session.lake.discard(row.name, orphan)
            self._generation, self._chunk = state.generation, state.chunk
            if self._resumable(state.status, state.position):
                position = state.position or {}
                self.objects, self._earlier_requests = state.objects, state.requests
                self._earliest, self.bound = position.get("earliest"), position.get("bound")
                self._meter.begin(state.objects, state.percent)
        if not position:
            self._generation, self._chunk = self._generation + 1, 0
        warehouse.collections.start(
            sync_id, self._row.id, generation=self._generation, resumed=bool(position)
        )
        return position

    def _resumable(self, status: str, position: JsonObject | None) -> bool:
        if status not in UNFINISHED or not position:
            return False
        run = self._made_under["run"]
        same_run = run is None or position.get("run") == run
        bounds = ("since", "max_age_days")
        return same_run and all(position.get(b) == self._made_under[b] for b in bounds)

    async def add(self, piece: Slice) -> bool:
        """Take a slice; land a chunk when enough has come together.

        Returns:
            Whether a chunk was landed.
        """
        self._observations += [o for item in piece.items for o in item.observations]
        if self._earliest is None and piece.items:
            self._earliest = piece.items[0].created
        self._position = piece.position or {}
        self._covered = piece.covered
        waited = self._session.clock.monotonic() - self._landed_at
        if len(self._observations) < CHUNK_OBJECTS and waited < CHUNK_SECONDS:
            return False
        await self.land()
        return True

    async def land(self) -> None:
        """Land what has come together, data and position in one transaction."""
        observations, self._observations = self._observations, []
        self._chunk += 1
        # Others come along, and those that are gone.
        own = self._row.id
        self.objects += sum(o.collection_id == own and not o.deleted for o in observations)
        progress = self.progress()
        batch = Batch(
            sync_id=self._session.sync.id,
            resource_id=self._session.sync.resource_id,
            source=Source.BACKFILL,
            observations=observations,
            created_events=self._session.settings.created_events,
            checkpoint=Checkpoint(
                collection_id=self._row.id,
                generation=self._generation,
                chunk=self._chunk,
                position={
                    **self._position,
                    **self._made_under,
                    "bound": self.bound,
                    "earliest": self._earliest,
                },
                objects=self.objects,
                requests=self.requests,
                percent=progress.percent,
                objects_per_second=progress.objects_per_second,
                seconds_left=progress.seconds_left,
            ),
        )
        result = await asyncio.to_thread(self._writer.load, batch, self._write_lake)
        self.totals.created += result.created
        self.totals.updated += result.updated
        self.totals.unchanged += result.unchanged + result.stale
        self._landed_at = self._session.clock.monotonic()

    def progress(self) -> Progress:
        """How far this has come."""
        return self._meter.read(
            objects=self.objects, requests=self.requests, percent=self._percent()
        )

    def _percent(self) -> float | None:
        """Share of the time range landed, None where the list has no time."""
        if self._covered is None or self._earliest is None:
            return None
        now = to_unix(self._session.clock.now())
        share = (self._covered - self._earliest) / max(now - self._earliest, 1)
        return round(100 * min(max(share, 0.0), 1.0), 1)

    def close(self) -> None:
        """Give the connection back."""
        self._writer.close()

    def _write_lake(self, records: list[RecordRow], events: list[EventRow]) -> None:
        if records or events:
            name = self._file_name(self._generation, self._chunk)
            self._session.lake.write_chunk(name, records, events)

    def _file_name(self, generation: int, chunk: int) -> str:
        return f"backfill-{self._row.name}-{generation:06d}-{chunk:08d}"
