"""Backfill: read everything, oldest first, land it in the lake, then in the warehouse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.catalog import Collection, Retrieval
from stripe_sync.errors import EndpointRetired, PermissionDenied
from stripe_sync.extract import reading
from stripe_sync.extract.event_pages import newest_created
from stripe_sync.extract.windows import Slice
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.backfill.writer import ChunkWriter
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.progress import Progress
from stripe_sync.sync.session import Session, open_session

log = logging.getLogger(__name__)

QUEUED_SLICES = 4
"""Slices read ahead of the load, so that reading does not wait for it; held beside the buffer."""


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What one backfill of one collection did.

    Attributes:
        collection: Short name.
        status: done, empty, forbidden or retired.
        message: Why, for anything but done.
        permission: ``rak_…`` name that the key lacks, when forbidden and Stripe names it.
        objects: Objects that Stripe listed.
        requests: Requests it took.
        seconds: How long it took.
        created: Records that are new.
        updated: Records that changed.
        unchanged: Objects that were in the warehouse already.
    """

    collection: str
    status: str
    message: str | None
    permission: str | None
    objects: int
    requests: int
    seconds: float
    created: int
    updated: int
    unchanged: int


def plan_backfill(
    connections: Connections, sync_name: str, collections: Sequence[str] | None = None
) -> list[str]:
    """Take the fence and say which collections to backfill.

    The fence is the newest Stripe event of this moment: polling starts from it, so that what
    changes while the backfill runs is not lost.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync; made when it does not exist.
        collections: Names in any accepted spelling; None or empty for all.

    Returns:
        Short names of the collections to backfill, those first that others are read through. A
        collection that only comes along with others is not among them, but they are.

    Raises:
        StripeSyncError: A name is unknown, or as ``open_session`` raises it.
    """
    return asyncio.run(_plan(connections, sync_name, collections))


async def _plan(
    connections: Connections, sync_name: str, collections: Sequence[str] | None
) -> list[str]:
    async with open_session(connections, sync_name) as session:
        asked = {session.catalog.resolve(name).id for name in collections or session.catalog}
        rows = [row for row in session.catalog.values() if row.id in asked]
        await take_cutoff(session)
        for row in rows:
            session.warehouse.collections.queue(session.sync.id, row.id)
        return [row.name for row in _in_order(session, rows)]


def _in_order(session: Session, rows: list[Collection]) -> list[Collection]:
    """What to read for these collections: what others are read through comes before them."""
    readers = {
        reader.id: reader
        for row in rows
        for reader in (
            [row] if reading.has_own_reader(row) else reading.host_collections(session.catalog, row)
        )
    }
    ordered = [row for row in session.catalog.values() if row.id in readers]
    return sorted(ordered, key=lambda row: reading.dependency_level(session.catalog, row))


async def take_cutoff(session: Session) -> None:
    """Note the newest Stripe event, unless that was done before.

    A key that may not read Stripe events can still backfill; its sync then has no live changes.
    """
    if session.warehouse.polls.state(session.sync.id).cutoff is not None:
        return
    asked_at = session.clock.now()
    try:
        cutoff = await newest_created(session.api)
    except PermissionDenied as error:
        log.warning("No live changes for sync %s: %s", session.sync.name, error)
        return
    session.warehouse.polls.set_cutoff(session.sync.id, cutoff, at=asked_at)


def backfill_collection(
    connections: Connections,
    sync_name: str,
    collection: str,
    *,
    since: datetime | None = None,
    requests_per_second: float | None = None,
    restart_key: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BackfillReport:
    """Backfill one collection, going on where an interrupted run stopped.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync.
        collection: Name in any accepted spelling.
        since: Leave out objects created earlier; None for all that the sync's ``max_age_days``
            lets in.
        requests_per_second: Ceiling for this run instead of the sync's own.
        restart_key: Start over, unless what is to be resumed was begun under this same key.
        progress: Called after each chunk.

    Raises:
        SyncBusy: Another process is backfilling this collection.
        StripeSyncError: The backfill failed; its status says why, and the next run goes on.
    """
    with bulk_mode():
        return asyncio.run(
            _backfill(
                connections,
                sync_name,
                collection,
                since=since,
                requests_per_second=requests_per_second,
                restart_key=restart_key,
                progress=progress or _ignore,
            )
        )


def _ignore(_: Progress) -> None:
    return


async def _backfill(
    connections: Connections,
    sync_name: str,
    name: str,
    *,
    since: datetime | None,
    requests_per_second: float | None,
    restart_key: str | None,
    progress: Callable[[Progress], None],
) -> BackfillReport:
    async with open_session(
        connections, sync_name, requests_per_second=requests_per_second
    ) as session:
        row = session.catalog.resolve(name)
        with session.warehouse.locks.backfill(session.sync.id, row.id):
            landing = ChunkWriter(session, row, since, restart_key)
            run = _Run(session, row, progress, landing, session.clock.monotonic())
            try:
                await run.all()
            except PermissionDenied as error:
                return run.finish("forbidden", str(error), error.permission)
            except EndpointRetired as error:
                return run.finish("retired", f"retired by Stripe: {error}")
            except Exception as error:
                run.finish("failed", str(error) or type(error).__name__)
                raise
            if row.retrieval is Retrieval.CREATE_ONLY:
                return run.finish("empty", reading.NOTHING_TO_READ)
            return run.finish("done" if landing.objects else "empty", None)


@dataclass(slots=True)
class _Run:
    """One backfill of one collection, under its lock."""

    session: Session
    row: Collection
    progress: Callable[[Progress], None]
    landing: ChunkWriter
    started: float

    async def all(self) -> None:
        """Read and land everything from the position on."""
        position = self.landing.begin()
        queue: asyncio.Queue[Slice | Exception | None] = asyncio.Queue(QUEUED_SLICES)
        read_task = asyncio.create_task(self._read(position, queue))
        try:
            while (piece := await queue.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                if await self.landing.add(piece):
                    self.progress(self.landing.progress())
            await self.landing.land()
        finally:
            read_task.cancel()
            await asyncio.gather(read_task, return_exceptions=True)
            self.landing.close()

    async def _read(
        self, position: JsonObject, queue: asyncio.Queue[Slice | Exception | None]
    ) -> None:
        """Read everything into the queue; what goes wrong comes out at its other end."""
        since = self.landing.bound
        pieces = reading.read(self.session, self.row, since=since, position=position)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    await queue.put(piece)
            await queue.put(None)
        except Exception as error:  # noqa: BLE001 - raised again by whoever takes it out
            await queue.put(error)

    def finish(
        self, status: str, message: str | None, permission: str | None = None
    ) -> BackfillReport:
        """Write the status and give the report."""
        seconds = self.session.clock.monotonic() - self.started
        self.session.warehouse.collections.finish(
            self.session.sync.id,
            self.row.id,
            status,
            message,
            permission=permission,
            requests=self.landing.requests,
            seconds=seconds,
            objects_per_second=self.landing.progress().objects_per_second,
        )
        for row in reading.derived_collections(self.session.catalog, self.row):
            settle_carried(self.session, row)
        totals = self.landing.totals
        return BackfillReport(
            collection=self.row.name,
            status=status,
            message=message,
            permission=permission,
            objects=self.landing.objects,
            requests=self.landing.requests,
            seconds=round(seconds, 3),
            created=totals.created,
            updated=totals.updated,
            unchanged=totals.unchanged,
        )


def settle_carried(session: Session, row: Collection) -> None:
    """Derive the status of a collection that comes along with others from theirs."""
    warehouse, sync_id = session.warehouse, session.sync.id
    found = [
        (carrier, warehouse.collections.state(sync_id, carrier.id))
        for carrier in reading.host_collections(session.catalog, row)
    ]
    states = {carrier.name: state.status for carrier, state in found if state}
    # The least finished one tells how far all of them are.
    order = ("failed", "running", "pending", "forbidden", "retired", "done", "empty")
    status = min(states.values(), key=order.index)
    objects = warehouse.records.count(sync_id, row.id)
    if status in {"done", "empty"}:
        status = "done" if objects else "empty"
    told = ", ".join(f"{name}: {status}" for name, status in states.items())
    lacking = [state.permission for _, state in found if state and state.status == status]
    warehouse.collections.finish(
        sync_id,
        row.id,
        status,
        f"comes along with {told}",
        permission=next(filter(None, lacking), None),
        objects=objects,
    )
