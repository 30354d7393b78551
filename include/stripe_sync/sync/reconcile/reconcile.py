"""Reconcile: read a collection again, repair what differs, mark what has vanished.

Nothing here goes back in time. What is read counts only where nothing newer is stored, so a poller
may work beside it; what it finds before polling does becomes a change event of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import ceil

from stripe_sync.catalog import Collection, Retrieval
from stripe_sync.clock import Clock, to_unix
from stripe_sync.errors import ConfigurationError, EndpointRetired, PermissionDenied
from stripe_sync.extract import reading
from stripe_sync.extract.windows import Slice
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.records import Batch, LoadResult, Observation, Source
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.sync.reconcile.deletions import MissingObjectCheck, why_deletes_unknown
from stripe_sync.sync.reconcile.schedule import WHOLE, can_look_back, recent
from stripe_sync.sync.session import Session, open_session
from stripe_sync.warehouse.state.reconciles import Reconciled

CHUNK_OBJECTS = 2_000
"""Objects that a transaction compares."""

ASKED_TOGETHER = 200
"""Objects that are asked for between two transactions."""

KEYS = 10_000
"""Stored keys that are looked through at a time."""


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What reading one collection again found.

    Attributes:
        collection: Short name.
        status: done, forbidden or retired.
        message: Why, or what could not be told.
        window_days: How far it looked back; None for all the way.
        objects: Objects read.
        requests: Requests made.
        seconds: How long it took.
        repaired: Records that differed.
        created: Records that were missing, or stored as deleted though they exist.
        deleted: Records whose objects are gone.
        unchanged: Objects that agreed with what is stored, or for which something newer is.
        drift: Sum of repaired, created and deleted.
    """

    collection: str
    status: str
    message: str | None
    window_days: int | None
    objects: int
    requests: int
    seconds: float
    repaired: int
    created: int
    deleted: int
    unchanged: int
    drift: int


def reconcile_collection(
    connections: Connections,
    sync_name: str,
    collection: str,
    *,
    window: timedelta | None = None,
    progress: Callable[[Progress], None] | None = None,
    clock: Clock | None = None,
) -> ReconcileReport:
    """Read one collection again and repair what is stored of it.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync.
        collection: Name in any accepted spelling.
        window: Look only at what was created in this time before now, or, for lists below a
            parent, whose parent was; nothing is marked as deleted then. None for everything.
        progress: Called after each transaction.
        clock: Tells the time.

    Raises:
        ConfigurationError: The collection cannot be read by time.
        SyncBusy: A backfill or another reconcile has the collection.
        StripeSyncError: It could not be read or stored; what was repaired before stays so.
    """
    with bulk_mode():
        return asyncio.run(_reconcile(connections, sync_name, collection, window, progress, clock))


async def _reconcile(  # noqa: PLR0917 - what the public function takes
    connections: Connections,
    sync_name: str,
    name: str,
    window: timedelta | None,
    progress: Callable[[Progress], None] | None,
    clock: Clock | None,
) -> ReconcileReport:
    async with open_session(connections, sync_name, clock=clock) as session:
        row = session.catalog.resolve(name)
        if window is not None and not can_look_back(session.catalog, row):
            message = f"{row.name} cannot be narrowed to what was created lately; read it whole"
            raise ConfigurationError(message)
        with session.warehouse.locks.backfill(session.sync.id, row.id):
            run = _Run(session, row, window, progress)
            try:
                await run.all()
            except PermissionDenied as error:
                return run.finish("forbidden", str(error))
            except EndpointRetired as error:
                return run.finish("retired", f"retired by Stripe: {error}")
            except Exception as error:
                run.finish("failed", str(error) or type(error).__name__)
                raise
            return run.finish(
                "done", run.incomplete and f"deletions are not told: {run.incomplete}"
            )


class _Run:
    """One reading of one collection, under its lock."""

    def __init__(
        self,
        session: Session,
        row: Collection,
        window: timedelta | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._session = session
        self._row = row
        self._window = window
        self._bound = _bound(session, row)
        self.incomplete = why_deletes_unknown(row, window=window, bound=self._bound)
        self._progress = progress
        self._meter = ProgressTracker(row.name, session.clock)
        self._began = session.clock.now()
        self._writer = session.warehouse.writer()
        self._follower = LakeFollower(session)
        self._objects = 0
        self._seen: set[str] = set()
        self._gone: dict[str, dict[str, datetime]] = {}
        self._totals = LoadResult()

    async def all(self) -> None:
        """Read, compare, and look for what was not shown."""
        waiting: list[Observation] = []
        try:
            async with aclosing(self._read()) as pieces:
                async for piece in pieces:
                    waiting += self._taken(piece)
                    if len(waiting) >= CHUNK_OBJECTS:
                        await self._load(waiting)
                        waiting = []
            await self._load(waiting)
            if self.incomplete is None:
                await self._look_for_missing()
        finally:
            self._writer.close()
        await asyncio.to_thread(self._follower.flush)

    def _read(self) -> AsyncGenerator[Slice, None]:
        session, row, bound = self._session, self._row, self._bound
        if self._window is None:
            return reading.read(session, row, since=bound, position={})
        return recent(session, row, max(to_unix(self._began - self._window), bound or 0))

    def _taken(self, piece: Slice) -> Iterator[Observation]:
        """What a piece shows; what it says is gone is looked into at the end."""
        for observation in (o for item in piece.items for o in item.observations):
            name, collection_id = observation.upstream_id, observation.collection_id
            if observation.deleted:
                self._gone.setdefault(collection_id, {})[name] = observation.observed_at
                continue
            if collection_id == self._row.id:
                self._objects += 1
                self._seen.add(name)
            yield observation

    async def _look_for_missing(self) -> None:
        vanished = MissingObjectCheck(self._session)
        for collection_id, gone in self._gone.items():
            # Under another parent it may have been seen after all.
            missing = {name: at for name, at in gone.items() if name not in self._seen}
            for part in _parts(missing):
                await self._load(await vanished.ask(self._session.catalog[collection_id], part))
        if self._row.retrieval is not Retrieval.TOP_LEVEL_LIST:
            return
        after, names = "", [""]
        while names:
            names = await asyncio.to_thread(
                self._session.warehouse.reconciles.keys_observed_before,
                self._session.sync.id,
                self._row.id,
                self._began,
                after=after,
                limit=KEYS,
            )
            after = names[-1] if names else after
            unseen = {name: self._began for name in names if name not in self._seen}
            for part in _parts(unseen):
                await self._load(await vanished.ask(self._row, part))

    async def _load(self, observations: list[Observation]) -> None:
        if not observations:
            return
        sync = self._session.sync
        batch = Batch(sync.id, sync.resource_id, Source.RECONCILE, observations)
        result = await asyncio.to_thread(self._writer.load, batch)
        totals = self._totals
        totals.created += result.created
        totals.updated += result.updated
        totals.deleted += result.deleted
        totals.unchanged += result.unchanged + result.stale
        if self._progress:
            requests = self._session.api.stats.requests
            self._progress(self._meter.read(objects=self._objects, requests=requests, percent=None))

    def finish(self, status: str, message: str | None) -> ReconcileReport:
        """Keep the result and give the report."""
        totals, requests = self._totals, self._session.api.stats.requests
        drift = totals.created + totals.updated + totals.deleted
        days = None if self._window is None else ceil(self._window / timedelta(days=1))
        progress = self._meter.read(objects=self._objects, requests=requests, percent=None)
        self._session.warehouse.reconciles.save(
            Reconciled(
                sync_id=self._session.sync.id,
                collection_id=self._row.id,
                window_days=days or WHOLE,
                reconciled_at=None if status == "failed" else self._began,
                objects=self._objects,
                drift=drift,
                requests=requests,
                seconds=progress.seconds,
                complete=status == "done" and self.incomplete is None,
                message=message,
            )
        )
        return ReconcileReport(
            collection=self._row.name,
            status=status,
            message=message,
            window_days=days,
            objects=self._objects,
            requests=requests,
            seconds=round(progress.seconds, 3),
            repaired=totals.updated,
            created=totals.created,
            deleted=totals.deleted,
            unchanged=totals.unchanged,
            drift=drift,
        )


def _bound(session: Session, row: Collection) -> int | None:
    """Unix seconds from which on the sync holds objects; None where it holds all."""
    state = session.warehouse.collections.state(session.sync.id, row.id)
    if state and state.position and "bound" in state.position:
        bound: int | None = state.position["bound"]
        return bound
    days = session.settings.max_age_days
    return None if days is None else to_unix(session.clock.now() - timedelta(days=days))


def _parts(missing: Mapping[str, datetime]) -> Iterator[dict[str, datetime]]:
    items = iter(missing.items())
    while part := dict(islice(items, ASKED_TOGETHER)):
        yield part
