"""Backfill: read everything, oldest first, and write it to the lake, then to the warehouse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from stripe_sync.catalog import Collection, Retrieval
from stripe_sync.catalog.dependencies import (
    dependency_level,
    derived_collections,
    host_collections,
    read_order,
)
from stripe_sync.client import RequestKind
from stripe_sync.clock import from_unix
from stripe_sync.errors import EndpointUnavailable, InvalidRequest, NotFound, PermissionDenied
from stripe_sync.extract.event_feed import newest_created
from stripe_sync.extract.lists.concurrent_ranges import Slice
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.records import CollectionStatus
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.collection_status import IN_PART
from stripe_sync.sync.backfill.writer import ChunkWriter
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.outcome import Outcome, finish_run, read_outcome
from stripe_sync.sync.progress import Progress
from stripe_sync.sync.reconcile.missing import retrieve_missing_last
from stripe_sync.sync.session import Session, open_session
from stripe_sync.warehouse import CollectionState

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 5.0
"""Longest time without a sign of progress, in log and warehouse."""

QUEUED_SLICES = 4
"""Slices read ahead of the writer, so that reading does not wait for it."""

UNREADABLE = "Stripe events could not be read when the backfill began"
"""Reason of the gap after a backfill without Stripe events."""

CREATE_ONLY = "Stripe returns these objects only when they are created: mutations store them"
"""Message of the backfill of a collection that cannot be read."""


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """The result of the backfill of one collection.

    Attributes:
        collection: Short name.
        status: done, empty, forbidden, unavailable or retired.
        message: Details, None when all of it is done; "in part: …" names what is missing.
        permission: ``rak_…`` permission that the key lacks, where Stripe returned it.
        objects: Objects read.
        requests: Requests sent.
        seconds: Duration.
        created: Records that are new.
        updated: Records that changed.
        unchanged: Objects that were stored already.
        missing: Objects of any collection that no list returned and that were retrieved because
            stored objects name them; by the last collection of a backfill.
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
    missing: int = 0


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """Short names of the collections to backfill.

    Attributes:
        top_level: Collections that are read by themselves, in any order.
        children: Collections that are read through others, in the order to read them. After the
            others they cost the fewest requests.
    """

    top_level: list[str]
    children: list[str]

    @property
    def collections(self) -> list[str]:
        """All of them, in the order to read them."""
        return [*self.top_level, *self.children]


def plan_backfill(
    connections: Connections, sync_name: str, collections: Sequence[str] | None = None
) -> BackfillPlan:
    """Take the cutoff and list the collections to backfill.

    The cutoff is the time of the newest Stripe event: polling starts from it, so that no change
    made during the backfill is lost.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync; created when it does not exist.
        collections: Names in any accepted spelling; None or empty for all that the sync has.

    Returns:
        The collections to read. A collection without a reader of its own is replaced by those
        together with which it is read.

    Raises:
        ConfigurationError: A name is unknown, or the sync does not have the collection.
        StripeSyncError: As ``open_session`` raises it.
    """
    return asyncio.run(_plan(connections, sync_name, collections))


async def _plan(
    connections: Connections, sync_name: str, collections: Sequence[str] | None
) -> BackfillPlan:
    async with open_session(connections, sync_name, kind=RequestKind.BACKFILL) as session:
        catalog = session.catalog
        selected = filter(session.sync.selects, catalog)
        chosen = {session.resolve(name).id for name in collections or selected}
        await take_cutoff(session)
        for collection_id in (name for name in catalog if name in chosen):
            session.warehouse.collections.queue(session.sync.id, collection_id)
        plan = BackfillPlan([], [])
        for collection in read_order(catalog, (catalog[name] for name in chosen)):
            level = dependency_level(catalog, collection)
            (plan.top_level if level == 1 else plan.children).append(collection.name)
        return plan


async def take_cutoff(session: Session) -> None:
    """Store the time of the newest Stripe event as the cutoff, unless the sync has one.

    A key without permission for Stripe events can still backfill; its sync cannot poll. Then the
    cutoff is the present, by Stripe's clock, and a gap begins that ends with the first poll.
    """
    warehouse, sync_id = session.warehouse, session.sync.id
    if warehouse.polls.state(sync_id).cutoff is not None:
        return
    asked_at = session.api.stripe_clock.now()
    try:
        cutoff = await newest_created(session.api)
    except (PermissionDenied, EndpointUnavailable) as error:
        log.warning("Sync %s cannot poll: %s", session.sync.name, error)
        cutoff, began_at = asked_at, from_unix(asked_at)
        warehouse.gaps.open(sync_id, began_at=began_at, ended_at=None, reason=UNREADABLE)
    warehouse.polls.set_cutoff(sync_id, cutoff, at=from_unix(asked_at))


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
    """Backfill one collection, from where an interrupted run stopped.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync.
        collection: Name in any accepted spelling.
        since: Leave out objects created earlier; None for the sync's ``max_age_days``.
        requests_per_second: Largest rate of this run instead of the sync's own.
        restart_key: Start over, unless the interrupted run had this same key.
        progress: Called after each chunk.

    Raises:
        SyncBusy: Another process is backfilling this collection.
        StripeSyncError: The backfill failed; its status has the reason, and the next run resumes.
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
                progress=progress,
            )
        )


async def _backfill(
    connections: Connections,
    sync_name: str,
    name: str,
    *,
    since: datetime | None,
    requests_per_second: float | None,
    restart_key: str | None,
    progress: Callable[[Progress], None] | None,
) -> BackfillReport:
    async with open_session(
        connections,
        sync_name,
        kind=RequestKind.BACKFILL,
        requests_per_second=requests_per_second,
    ) as session:
        collection = session.resolve(name)
        with session.warehouse.locks.backfill(session.sync.id, collection.id):
            writer = ChunkWriter(session, collection, since, restart_key)
            run = _Run(session, collection, writer, progress, session.clock.monotonic())
            report = await finish_run(collection, run.all_available(), run.finish)
        if not await asyncio.to_thread(session.warehouse.collections.backfilling, session.sync.id):
            report = replace(report, missing=await retrieve_missing_last(session))
        return report


@dataclass(frozen=True, slots=True)
class _Run:
    """One backfill of one collection, under its lock."""

    session: Session
    collection: Collection
    writer: ChunkWriter
    progress: Callable[[Progress], None] | None
    started: float

    async def all(self) -> Outcome:
        """Read and write everything from the cursor on."""
        cursor = self.writer.begin()
        queue: asyncio.Queue[Slice | Exception | None] = asyncio.Queue(QUEUED_SLICES)
        read_task = asyncio.create_task(self._read(cursor, queue))
        try:
            while (each := await self._next(queue)) is not None:
                if isinstance(each, Exception):
                    await self.writer.flush_read()
                    raise each
                if await self.writer.add(each) and self.progress:
                    self.progress(self.writer.progress())
            await self.writer.flush()
        finally:
            read_task.cancel()
            await asyncio.gather(read_task, return_exceptions=True)
            self.writer.close()
        if self.collection.retrieval is Retrieval.CREATE_ONLY:
            return Outcome(CollectionStatus.EMPTY, CREATE_ONLY)
        return read_outcome(self.collection, self.writer.objects, self.writer.refusals)

    async def _next(
        self, queue: asyncio.Queue[Slice | Exception | None]
    ) -> Slice | Exception | None:
        """The next slice; while it is read, the progress is shown all the same."""
        while True:
            try:
                return await asyncio.wait_for(queue.get(), PROGRESS_SECONDS)
            except TimeoutError:
                progress = await self.writer.store_progress()
                if self.progress:
                    self.progress(progress)

    async def all_available(self) -> Outcome:
        """Read and write everything; a collection that this account does not have is no failure."""
        try:
            return await self.all()
        except (InvalidRequest, NotFound) as error:
            if self.writer.objects:
                raise
            return Outcome(CollectionStatus.UNAVAILABLE, f"not available: {error}")

    async def _read(
        self, cursor: JsonObject, queue: asyncio.Queue[Slice | Exception | None]
    ) -> None:
        """Read everything into the queue, and at its end None or the error."""
        slices = self.session.reader(self.collection).full(cursor, since=self.writer.bound)
        try:
            async with aclosing(slices):
                async for each in slices:
                    await queue.put(each)
            await queue.put(None)
        except Exception as error:  # noqa: BLE001 - raised again where the queue is read
            await queue.put(error)

    def finish(self, outcome: Outcome) -> BackfillReport:
        """Store the status and return the report."""
        writer, totals = self.writer, self.writer.totals
        seconds = self.session.clock.monotonic() - self.started
        self.session.warehouse.collections.finish(
            self.session.sync.id,
            self.collection.id,
            outcome.status,
            outcome.message,
            permission=outcome.permission,
            requests=writer.requests,
            seconds=seconds,
            objects_per_second=writer.progress().objects_per_second,
        )
        for derived in derived_collections(self.session.catalog, self.collection):
            finish_derived(self.session, derived)
        return BackfillReport(
            collection=self.collection.name,
            status=outcome.status.value,
            message=outcome.message,
            permission=outcome.permission,
            objects=writer.objects,
            requests=writer.requests,
            seconds=round(seconds, 3),
            created=totals.created,
            updated=totals.updated,
            unchanged=totals.unchanged,
        )


def _missing(state: CollectionState) -> str:
    """What is missing from a collection that is read in part; empty where nothing is."""
    return f" {state.message}" if (state.message or "").startswith(IN_PART) else ""


def finish_derived(session: Session, collection: Collection) -> None:
    """Store the status of a collection without a reader: that of its least finished host."""
    warehouse, sync_id = session.warehouse, session.sync.id
    found = [
        (host.name, state)
        for host in host_collections(session.catalog, collection)
        if (state := warehouse.collections.state(sync_id, host.id))
    ]
    status = CollectionStatus.least_complete(state.status for _, state in found)
    permissions = [state.permission for _, state in found if state.status == status]
    objects = warehouse.records.count(sync_id, collection.id)
    if status.is_complete:
        is_empty = not objects and not any(_missing(state) for _, state in found)
        status = CollectionStatus.EMPTY if is_empty else CollectionStatus.DONE
    hosts = ", ".join(f"{name}: {state.status}{_missing(state)}" for name, state in found)
    warehouse.collections.finish(
        sync_id,
        collection.id,
        status,
        f"read together with {hosts}",
        permission=next(filter(None, permissions), None),
        objects=objects,
    )
