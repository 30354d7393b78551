"""Maintain: keep warehouse and lake small and tidy; Stripe is not asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.catalog.model import ID_PREFIX
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import SyncBusy
from stripe_sync.extract.reading import host_collections
from stripe_sync.lake import Compactor, Lake, LakeReader, remove_leftovers
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.warehouse import Sync, Warehouse

LEFT_FOR = timedelta(days=1)
"""How long temporary files and folders that were exchanged stay: nobody uses them for so long."""


@dataclass(slots=True)
class CollectionMaintenance:
    """What was done for one collection.

    Attributes:
        collection: Short name.
        files: Files in the lake before.
        merged: How many of them were merged into larger ones.
        into: How many files those are now.
        events_deleted: Change events deleted from the warehouse.
        message: Why less was done than could have been; None where nothing stood in the way.
    """

    collection: str
    files: int = 0
    merged: int = 0
    into: int = 0
    events_deleted: int = 0
    message: str | None = None


@dataclass(slots=True)
class MaintainReport:
    """What was done for a sync.

    Attributes:
        sync: Its name.
        stripe_events_forgotten: Stripe events dropped from the ledger.
        swept: Temporary files and folders removed from the lake.
        not_merged: Why files of this lake cannot be merged; None where they can.
        seconds: How long it took.
        collections: What was done for each collection.
    """

    sync: str
    stripe_events_forgotten: int = 0
    swept: int = 0
    not_merged: str | None = None
    seconds: float = 0.0
    collections: list[CollectionMaintenance] = field(default_factory=list)


def plan_maintain(warehouse_url: str) -> list[str]:
    """Names of the syncs that there are.

    Args:
        warehouse_url: The warehouse.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        return [sync.name for sync in warehouse.syncs.all()]


def maintain_sync(
    connections: Connections,
    sync_name: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    clock: Clock | None = None,
) -> MaintainReport:
    """Prune the ledger, delete change events past retention, sweep the lake, merge its files.

    It may run beside everything else and be stopped at any point.

    Args:
        connections: Warehouse and lake; Stripe is not asked.
        sync_name: The sync.
        progress: Called as it goes on, with rows looked at.
        clock: Tells what is old.

    Raises:
        ConfigurationError: There is no such sync.
        StripeSyncError: Warehouse or lake failed; what was done before stays so.
    """
    clock = clock or SystemClock()
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = warehouse.syncs.get(sync_name)
        run = _Run(warehouse, sync, Lake(connections.lake_url, sync_name), clock, progress)
        run.forget(connections.settings.keep_events_days)
        run.compact()
        return run.finish()


class _Run:
    """One maintenance of one sync."""

    def __init__(
        self,
        warehouse: Warehouse,
        sync: Sync,
        lake: Lake,
        clock: Clock,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._warehouse = warehouse
        self._sync = sync
        self._lake = lake
        self._clock = clock
        self._told = progress or (lambda _: None)
        self._began = clock.monotonic()
        self._catalog = load_catalog()
        self._rows: dict[str, CollectionMaintenance] = {}
        self._report = MaintainReport(sync.name)

    def forget(self, keep_events_days: int | None) -> None:
        """Drop from the warehouse what is too old."""
        now = self._clock.now()
        report, sync_id = self._report, self._sync.id
        report.stripe_events_forgotten = self._warehouse.polls.prune_processed_events(sync_id, now)
        if keep_events_days is None:
            return
        meter = ProgressTracker("events", self._clock)
        deleted: Counter[str] = self._warehouse.retention.delete_expired_events(
            sync_id,
            now - timedelta(days=keep_events_days),
            lambda seen: self._told(meter.read(objects=seen, requests=0, percent=None)),
        )
        for collection_id, count in deleted.items():
            self._row(collection_id.removeprefix(ID_PREFIX)).events_deleted = count

    def compact(self) -> None:
        """Remove leftovers from the lake and merge its small files."""
        self._report.swept = remove_leftovers(self._lake, self._clock.now() - LEFT_FOR)
        counts = LakeReader(self._lake).counts()
        compactor = Compactor(self._lake)
        self._report.not_merged = compactor.impossible() if counts else None
        meter = ProgressTracker("files", self._clock)
        present = [each for each in self._catalog.values() if each.name in counts]
        for number, each in enumerate(present, start=1):
            row = self._row(each.name)
            row.files = counts[each.name]
            if self._report.not_merged is None:
                self._merge(compactor, each, row)
            percent = 100 * number / len(present)
            self._told(meter.read(objects=number, requests=0, percent=percent))

    def _merge(
        self, compactor: Compactor, collection: Collection, row: CollectionMaintenance
    ) -> None:
        for folder in compactor.folders(collection.name):
            try:
                self._merge_folder(compactor, collection, row, folder)
            except SyncBusy:
                row.message = "it is being backfilled or read again; the next run merges its files"
                return

    def _merge_folder(
        self, compactor: Compactor, collection: Collection, row: CollectionMaintenance, folder: Path
    ) -> None:
        prepared = compactor.prepare(folder)
        if prepared is None:
            return
        try:
            with self._alone(collection):
                installed = prepared.install()
        finally:
            prepared.discard()
        if installed:
            row.merged += len(prepared.merged)
            row.into += prepared.into
        else:
            row.message = "its files changed meanwhile; the next run merges them"

    @contextmanager
    def _alone(self, collection: Collection) -> Iterator[None]:
        """Keep away whoever writes a collection's files or reads them back, for a moment."""
        warehouse, sync_id = self._warehouse, self._sync.id
        with ExitStack() as held:
            for each in (collection, *host_collections(self._catalog, collection)):
                held.enter_context(warehouse.locks.backfill(sync_id, each.id))
            held.enter_context(warehouse.locks.lake(sync_id))
            held.enter_context(warehouse.locks.load(sync_id, collection.id))
            yield

    def _row(self, collection: str) -> CollectionMaintenance:
        return self._rows.setdefault(collection, CollectionMaintenance(collection))

    def finish(self) -> MaintainReport:
        """The report."""
        report = self._report
        report.seconds = round(self._clock.monotonic() - self._began, 3)
        report.collections = [self._rows[name] for name in sorted(self._rows)]
        return report
