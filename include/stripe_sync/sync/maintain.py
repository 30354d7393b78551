"""Maintain: fill new columns, delete expired rows, remove leftover files, compact the lake.

It makes no request to Stripe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.catalog.dependencies import host_collections
from stripe_sync.catalog.model import ID_PREFIX
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import SyncBusy
from stripe_sync.lake import Compactor, Lake, LakeReader, remove_leftovers
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.warehouse import Sync, Warehouse

LEFTOVER_AGE = timedelta(days=1)
"""Age from which temporary files and exchanged folders are removed: no reader needs them then."""

_LONGER = 2
"""How many times longer change events stay that a consumer was not delivered."""


@dataclass(slots=True)
class CollectionMaintenance:
    """Maintenance of one collection.

    Attributes:
        collection: Short name.
        files: Files in the lake before the run.
        merged: Number of those files that were merged into larger ones.
        into: Number of merged files.
        events_deleted: Change events deleted from the warehouse.
        message: Why files were not merged; None where nothing prevented it.
    """

    collection: str
    files: int = 0
    merged: int = 0
    into: int = 0
    events_deleted: int = 0
    message: str | None = None


@dataclass(slots=True)
class MaintainReport:
    """Maintenance of one sync.

    Attributes:
        sync: Name of the sync.
        stripe_events_pruned: Rows deleted from ``processed_events``.
        leftovers_removed: Temporary files and folders removed from the lake.
        typed_rows_filled: Rows of typed tables whose new columns were filled.
        not_merged: Why this lake cannot be compacted; None where it can.
        seconds: Duration.
        collections: One row for each collection.
    """

    sync: str
    stripe_events_pruned: int = 0
    leftovers_removed: int = 0
    typed_rows_filled: int = 0
    not_merged: str | None = None
    seconds: float = 0.0
    collections: list[CollectionMaintenance] = field(default_factory=list)


def maintain_sync(
    connections: Connections,
    sync_name: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    clock: Clock | None = None,
) -> MaintainReport:
    """Fill new columns, delete what has expired, remove leftovers, compact the lake.

    Safe beside backfills, polling and reconciles, and safe to stop at any point.

    Args:
        connections: Warehouse and lake; no request to Stripe.
        sync_name: The sync.
        progress: Called repeatedly with the number of rows read.
        clock: The current time.

    Raises:
        ConfigurationError: There is no such sync.
        StripeSyncError: Warehouse or lake failed; earlier steps stay done.
    """
    clock = clock or SystemClock()
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = warehouse.syncs.get(sync_name)
        run = _Run(warehouse, sync, Lake(connections.lake_url, sync_name), clock, progress)
        settings = connections.of_sync(sync).settings
        run.fill_typed_tables()
        run.delete_expired(settings.keep_events_days)
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
        self._on_progress = progress or (lambda _: None)
        self._began = clock.monotonic()
        self._catalog = load_catalog()
        self._reports: dict[str, CollectionMaintenance] = {}
        self._report = MaintainReport(sync.name)

    def fill_typed_tables(self) -> None:
        """Fill the columns that an upgrade has added to typed tables, of all syncs."""
        tracker = ProgressTracker("typed rows", self._clock)
        for _, rows in self._warehouse.typed_tables.fill():
            self._report.typed_rows_filled += rows
            filled = self._report.typed_rows_filled
            self._on_progress(tracker.read(objects=filled, requests=0, percent=None))

    def delete_expired(self, keep_events_days: int | None) -> None:
        """Delete expired rows from the warehouse."""
        now = self._clock.now()
        report, sync_id = self._report, self._sync.id
        report.stripe_events_pruned = self._warehouse.polls.prune_processed_events(sync_id, now)
        self._warehouse.mutations.prune(sync_id)
        self._warehouse.approvals.prune()
        if keep_events_days is None:
            return
        tracker = ProgressTracker("events", self._clock)
        deleted: Counter[str] = self._warehouse.retention.delete_expired_events(
            sync_id,
            now - timedelta(days=keep_events_days),
            unread_before=now - _LONGER * timedelta(days=keep_events_days),
            progress=lambda rows: self._on_progress(
                tracker.read(objects=rows, requests=0, percent=None)
            ),
        )
        for collection_id, count in deleted.items():
            self._report_for(collection_id.removeprefix(ID_PREFIX)).events_deleted = count

    def compact(self) -> None:
        """Remove leftovers from the lake and merge its small files."""
        self._report.leftovers_removed = remove_leftovers(
            self._lake, self._clock.now() - LEFTOVER_AGE
        )
        counts = LakeReader(self._lake).counts()
        compactor = Compactor(self._lake)
        self._report.not_merged = compactor.why_unsupported() if counts else None
        tracker = ProgressTracker("files", self._clock)
        present = [each for each in self._catalog.values() if each.name in counts]
        for number, each in enumerate(present, start=1):
            report = self._report_for(each.name)
            report.files = counts[each.name]
            if self._report.not_merged is None:
                self._merge(compactor, each, report)
            percent = 100 * number / len(present)
            self._on_progress(tracker.read(objects=number, requests=0, percent=percent))

    def _merge(
        self, compactor: Compactor, collection: Collection, report: CollectionMaintenance
    ) -> None:
        for folder in compactor.folders(collection.name):
            try:
                self._merge_folder(compactor, collection, report, folder)
            except SyncBusy:
                report.message = "a backfill or reconcile runs; the next run merges its files"
                return

    def _merge_folder(
        self,
        compactor: Compactor,
        collection: Collection,
        report: CollectionMaintenance,
        folder: Path,
    ) -> None:
        prepared = compactor.prepare(folder)
        if prepared is None:
            return
        try:
            with self._exclusive(collection):
                installed = prepared.install()
        finally:
            prepared.discard()
        if installed:
            report.merged += len(prepared.sources)
            report.into += prepared.merged_count
        else:
            report.message = "its files changed during the run; the next run merges them"

    @contextmanager
    def _exclusive(self, collection: Collection) -> Iterator[None]:
        """Lock out all writers of a collection's files for a moment."""
        warehouse, sync_id = self._warehouse, self._sync.id
        with ExitStack() as stack:
            for each in (collection, *host_collections(self._catalog, collection)):
                stack.enter_context(warehouse.locks.backfill(sync_id, each.id))
            stack.enter_context(warehouse.locks.lake(sync_id))
            stack.enter_context(warehouse.locks.load(sync_id, collection.id))
            yield

    def _report_for(self, collection: str) -> CollectionMaintenance:
        return self._reports.setdefault(collection, CollectionMaintenance(collection))

    def finish(self) -> MaintainReport:
        """The report of the run."""
        report = self._report
        report.seconds = round(self._clock.monotonic() - self._began, 3)
        report.collections = [self._reports[name] for name in sorted(self._reports)]
        return report
