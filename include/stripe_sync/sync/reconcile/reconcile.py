"""Reconcile: read a collection again, correct records that differ, mark deleted objects.

An object that was read counts only where nothing newer is stored, so a poller may run at the same
time. A change whose Stripe event may still come is left to polling (``sync/refetch.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from math import ceil

from stripe_sync.catalog import Collection, PreviewCall, Retrieval
from stripe_sync.catalog.dependencies import has_window
from stripe_sync.client import RequestKind
from stripe_sync.clock import Clock
from stripe_sync.errors import ConfigurationError, StripeError
from stripe_sync.extract.lists.concurrent_ranges import Slice
from stripe_sync.extract.refusals import Lack
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.records import Batch, CollectionStatus, LoadResult, Observation, Source
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.outcome import Outcome, finish_run, read_outcome
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.sync.reconcile.deletions import MissingObjectCheck, why_deletes_unknown
from stripe_sync.sync.reconcile.missing import retrieve_missing_last
from stripe_sync.sync.reconcile.schedule import WHOLE
from stripe_sync.sync.refetch import load_certain
from stripe_sync.sync.session import Session, open_session
from stripe_sync.sync.set_aside import taken
from stripe_sync.warehouse.state.reconciles import ReconcileResult

CHUNK_OBJECTS = 2_000
"""Objects that a transaction compares."""

VERIFIED_OBJECTS = 200
"""Missing objects that are verified between two transactions."""

KEYS = 10_000
"""Stored keys that are read at a time."""

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """The result of reading one collection again.

    Attributes:
        collection: Short name.
        status: done, forbidden, unavailable or retired.
        message: Details, such as why deletions are unknown; "in part: …" names what is missing.
        window_days: Age in days of the oldest objects read; None for all objects.
        objects: Objects read.
        requests: Requests sent.
        seconds: Duration.
        repaired: Records that differed.
        created: Records that were missing, or stored as deleted though they exist.
        deleted: Records whose objects are deleted.
        unchanged: Objects whose record is the same or newer.
        drift: Sum of repaired, created and deleted.
        missing: Objects of any collection that no list returned and that were retrieved because
            stored objects name them.
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
    missing: int = 0


def reconcile_collection(
    connections: Connections,
    sync_name: str,
    collection: str,
    *,
    window: timedelta | None = None,
    progress: Callable[[Progress], None] | None = None,
    clock: Clock | None = None,
) -> ReconcileReport:
    """Read one collection again and correct its records.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync.
        collection: Name in any accepted spelling.
        window: Age of the oldest objects to read, or, for nested lists, of their oldest parents;
            nothing is marked as deleted then. None for all objects.
        progress: Called after each transaction.
        clock: Counts the seconds, None for the system's.

    Raises:
        ConfigurationError: The collection cannot be read by time, or the window is empty.
        SyncBusy: A backfill or another reconcile of the collection is running.
        StripeSyncError: It could not be read or stored; earlier transactions stay.
    """
    if window is not None and window <= timedelta(0):
        message = f"a window of {window} is empty: give a positive one, or none for all objects"
        raise ConfigurationError(message)
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
    async with open_session(
        connections, sync_name, kind=RequestKind.RECONCILE, clock=clock
    ) as session:
        collection = session.resolve(name)
        if window is not None and not has_window(session.catalog, collection):
            message = f"{collection.name} cannot be read by creation time: leave out the window"
            raise ConfigurationError(message)
        with session.warehouse.locks.backfill(session.sync.id, collection.id):
            run = _Run(session, collection, window, progress)
            report = await finish_run(collection, run.all(), run.finish)
        return replace(report, missing=await retrieve_missing_last(session))


class _Run:
    """One read of one collection, under its lock."""

    def __init__(
        self,
        session: Session,
        collection: Collection,
        window: timedelta | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._session = session
        self._collection = collection
        self._call = collection.preview
        self._window = window
        self._bound = oldest_created(session, collection)
        self._deletes_unknown = why_deletes_unknown(collection, window=window, bound=self._bound)
        self._progress = progress
        self._tracker = ProgressTracker(collection.name, session.clock)
        self._began = session.clock.now()
        self._writer = session.warehouse.writer()
        self._follower = LakeFollower(session)
        self._objects = 0
        self._read_keys: set[str] = set()
        self._tombstones: dict[str, dict[str, datetime]] = {}
        self._totals = LoadResult()
        self._refusals = session.context.requester.refusals

    async def all(self) -> Outcome:
        """Read and compare everything, then verify missing objects."""
        chunk: list[Observation] = []
        try:
            try:
                async with aclosing(self._slices()) as slices:
                    async for each in slices:
                        chunk += self._current(each)
                        if len(chunk) >= CHUNK_OBJECTS:
                            await self._load(chunk)
                            chunk = []
            except StripeError:
                # What was read before the error is stored too.
                await self._load(chunk)
                raise
            await self._load(chunk)
            if self._deletes_unknown is None:
                await self._verify_missing()
        finally:
            self._writer.close()
        await asyncio.to_thread(self._follower.flush_if_due)
        outcome = read_outcome(self._collection, self._objects, self._refusals)
        status = CollectionStatus.DONE if outcome.status.is_complete else outcome.status
        unknown = self._deletes_unknown and f"deletions are unknown: {self._deletes_unknown}"
        message = "; ".join(filter(None, (outcome.message, unknown)))
        return Outcome(status, message or None, outcome.permission)

    def _slices(self) -> AsyncGenerator[Slice, None]:
        reader = self._session.reader(self._collection)
        if self._window is None:
            return reader.full(since=self._bound)
        since = self._session.api.stripe_clock.now() - int(self._window.total_seconds())
        return reader.window(max(since, self._bound or 0))

    def _current(self, read: Slice) -> Iterator[Observation]:
        """The objects of a slice that exist; its tombstones are verified in the end."""
        for observation in (o for item in read.items for o in item.observations):
            key, collection_id = observation.upstream_id, observation.collection_id
            if observation.deleted:
                self._tombstones.setdefault(collection_id, {})[key] = observation.observed_at
                continue
            if collection_id == self._collection.id:
                self._objects += 1
                self._read_keys.add(key)
            yield observation

    async def _verify_missing(self) -> None:
        for collection_id, tombstones in self._tombstones.items():
            # A child may have been read below another parent.
            missing = {key: at for key, at in tombstones.items() if key not in self._read_keys}
            await self._verify(self._session.catalog[collection_id], missing)
        if self._collection.retrieval is not Retrieval.TOP_LEVEL_LIST and not self._call:
            return
        if self._refusals.has(Lack.LIST):
            # An object that was not read may be in the list that Stripe refused.
            return
        after, keys = "", [""]
        while keys:
            keys = await asyncio.to_thread(
                self._session.warehouse.records.keys_observed_before,
                self._session.sync.id,
                self._collection.id,
                self._began,
                after=after,
                limit=KEYS,
            )
            after = keys[-1] if keys else after
            unread = [key for key in keys if key not in self._read_keys]
            if self._call:
                await self._verify_previews(self._call, unread)
            else:
                await self._verify(self._collection, dict.fromkeys(unread, self._began))

    async def _verify_previews(self, call: PreviewCall, keys: Sequence[str]) -> None:
        check = MissingObjectCheck(self._session)
        for start in range(0, len(keys), VERIFIED_OBJECTS):
            part = keys[start : start + VERIFIED_OBJECTS]
            await self._load(await check.verify_previews(self._collection, call, part))

    async def _verify(self, collection: Collection, missing: Mapping[str, datetime]) -> None:
        check = MissingObjectCheck(
            self._session, only_retrieved=self._refusals.has(Lack.TEST_CLOCKS)
        )
        items = iter(missing.items())
        while part := dict(islice(items, VERIFIED_OBJECTS)):
            await self._load(await check.verify(collection, part))

    async def _load(self, observations: list[Observation]) -> None:
        if not observations and not self._session.context.requester.set_aside:
            return
        sync = self._session.sync
        async with taken(self._session) as set_aside:
            batch = Batch(
                sync.id,
                sync.resource_id,
                Source.RECONCILE,
                observations,
                set_aside=set_aside,
                redact_stored=self._session.context.redact_stored,
            )
            result = await load_certain(self._session, self._writer.load, batch)
        totals = self._totals
        totals.created += result.created
        totals.updated += result.updated
        totals.deleted += result.deleted
        totals.unchanged += result.unchanged + result.stale
        if self._progress:
            requests = self._session.api.stats.requests
            self._progress(
                self._tracker.read(objects=self._objects, requests=requests, percent=None)
            )

    def finish(self, outcome: Outcome) -> ReconcileReport:
        """Store the result and return the report."""
        totals, requests = self._totals, self._session.api.stats.requests
        drift = totals.created + totals.updated + totals.deleted
        days = None if self._window is None else ceil(self._window / timedelta(days=1))
        progress = self._tracker.read(objects=self._objects, requests=requests, percent=None)
        self._session.warehouse.reconciles.save(
            ReconcileResult(
                sync_id=self._session.sync.id,
                collection_id=self._collection.id,
                window_days=WHOLE if days is None else days,
                reconciled_at=None if outcome.status is CollectionStatus.FAILED else self._began,
                objects=self._objects,
                drift=drift,
                requests=requests,
                seconds=progress.seconds,
                complete=outcome.status is CollectionStatus.DONE
                and self._deletes_unknown is None
                and not self._refusals,
                message=outcome.message,
            )
        )
        if self._window is None and outcome.status is CollectionStatus.DONE:
            self._session.warehouse.collections.set_missing(
                self._session.sync.id,
                self._collection.id,
                self._refusals.message,
                self._refusals.permission,
                replace=True,
            )
        return ReconcileReport(
            collection=self._collection.name,
            status=outcome.status.value,
            message=outcome.message,
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


def oldest_created(session: Session, collection: Collection) -> int | None:
    """Unix seconds from which on the sync stores objects of a collection; None if it stores all."""
    state = session.warehouse.collections.state(session.sync.id, collection.id)
    if state and state.cursor and "bound" in state.cursor:
        bound: int | None = state.cursor["bound"]
        return bound
    days = session.settings.max_age_days
    return None if days is None else session.api.stripe_clock.now() - days * _DAY
