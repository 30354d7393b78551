"""Erase a customer: the customer and what belongs to them, from warehouse and lake, for good.

The steps are in this order, so that a process may be killed between any two of them:

1. The customer is remembered. From then on no writer stores them, or an object that names them.
2. Objects that belong to them are searched in records, change events and the lake, and remembered.
3. Rows, set-aside texts and queue entries in the warehouse are erased, then the lake's files.
4. What was remembered is marked as done. Until then each maintenance continues with step 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from stripe_sync.accounts.erasing.search import Search
from stripe_sync.accounts.syncs import find_sync
from stripe_sync.catalog import ID_PREFIX, load_catalog
from stripe_sync.catalog.ownership import Key, root_of
from stripe_sync.errors import ConfigurationError, SyncConflict
from stripe_sync.lake import Lake, LakeErasure
from stripe_sync.records import canonical_json, ids
from stripe_sync.records.erasure import is_erased
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.erasing.erasures import PART_OBJECTS
from stripe_sync.warehouse.warehouse import open_warehouse

Progress = Callable[[str, int], None]


@dataclass(slots=True)
class CustomerErasure:
    """Result of an erasure.

    Attributes:
        sync: Name of the sync.
        customer: Id of the customer.
        dry_run: Whether nothing was changed.
        objects: Number of objects with data, by short name of their collection.
        records: Records that were erased.
        events: Earlier change events that were erased.
        set_aside: Set-aside texts that were deleted.
        files: Lake files that were replaced or deleted.
    """

    sync: str
    customer: str
    dry_run: bool
    objects: dict[str, int] = field(default_factory=dict)
    records: int = 0
    events: int = 0
    set_aside: int = 0
    files: int = 0


def erase_customer(
    warehouse_url: str,
    lake_url: str,
    sync: str,
    customer: str,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> CustomerErasure:
    """Erase a customer and what belongs to them, in warehouse and lake, so that it never returns.

    What belongs to a customer names them, or an object that belongs to them: payments, invoices,
    payment methods, disputes, Stripe events. Of each object its row stays, with its id and kind,
    ``deleted`` and a last change event of source ``erase``. Nothing in Stripe is changed.

    May run beside everything else. After an interruption call it again, or let the nightly
    maintenance finish it; a second call changes nothing.

    Args:
        warehouse_url: The warehouse.
        lake_url: The lake, as in ``Connections``.
        sync: Name of the sync, or its id.
        customer: ``cus_…``; one that is not stored yet never will be. For a guest, who has no
            customer, the id of a payment: ``pi_…``, ``ch_…`` or ``cs_…``.
        dry_run: Only count, change nothing.
        progress: Called after each step with what was done and how often.

    Raises:
        SyncNotFound: There is no such sync.
        SyncConflict: It is being deleted.
        ConfigurationError: The id cannot be one of a customer.
        WarehouseError: The warehouse cannot be reached.
        LakeError: The lake cannot be read or written.

    Example:
        >>> from stripe_sync import erase_customer
        >>> where = connections.warehouse_url, connections.lake_url
        >>> erase_customer(*where, "default", "cus_1", dry_run=True).records
        0
    """
    customer = customer.strip()
    if not ids.is_storable(customer):
        message = "the id of a customer is needed, such as cus_NffrFeUfNV2Hib"
        raise ConfigurationError(message, param="customer")
    with open_warehouse(warehouse_url) as warehouse:
        run = _Run.open(warehouse, lake_url, find_sync(warehouse, sync), customer, progress)
        return run.count() if dry_run else run.erase()


def finish_erasures(warehouse_url: str, lake_url: str, sync: str) -> list[CustomerErasure]:
    """Finish the erasures of a sync that were interrupted, or that a writer has added objects to.

    Args:
        warehouse_url: The warehouse.
        lake_url: The lake.
        sync: Name of the sync, or its id.

    Raises:
        StripeSyncError: As of :func:`erase_customer`.

    Example:
        >>> from stripe_sync import finish_erasures
        >>> finish_erasures(connections.warehouse_url, connections.lake_url, "default")
        []
    """
    with open_warehouse(warehouse_url) as warehouse:
        found = find_sync(warehouse, sync)
        pending = [] if found.status == "deleting" else warehouse.erasures.pending(found.id)
        return [_Run.open(warehouse, lake_url, found, each, None).erase() for each in pending]


@dataclass(slots=True)
class _Run:
    """The erasure of one customer."""

    warehouse: Warehouse
    lake: LakeErasure
    sync: Sync
    customer: str
    progress: Progress

    @classmethod
    def open(
        cls,
        warehouse: Warehouse,
        lake_url: str,
        sync: Sync,
        customer: str,
        progress: Progress | None,
    ) -> _Run:
        if sync.status == "deleting":
            message = f"sync {sync.name} is being deleted: finish that with its data"
            raise SyncConflict(message)
        lake = LakeErasure(Lake(lake_url, sync.name))
        return cls(warehouse, lake, sync, customer, progress or (lambda *_: None))

    def count(self) -> CustomerErasure:
        """What would be erased."""
        search = Search(self.warehouse, self.lake, self.sync.id)
        search.found = {root_of(self.customer)}
        while search.grow():
            pass
        report = self._report(search, dry_run=True)
        for row in chain.from_iterable(self.warehouse.erasures.stored_rows(self.sync.id)):
            if (row.collection_id, row.upstream_id) in search.found and _has_data(row.payload):
                report.records += row.is_record
                report.events += not row.is_record
        return report

    def erase(self) -> CustomerErasure:
        """Erase; every step may be repeated."""
        erasures, sync_id = self.warehouse.erasures, self.sync.id
        erasures.begin(sync_id, self.customer)
        search = Search(self.warehouse, self.lake, sync_id)
        report = CustomerErasure(self.sync.name, self.customer, dry_run=False)
        objects: Counter[str] = Counter()
        grows = True
        while grows:
            search.found |= erasures.keys(sync_id, self.customer)
            erasures.wait_for_writers(sync_id, self._collection_ids())
            search.grow()
            erasures.add(sync_id, self.customer, search.found)
            objects |= search.objects
            self.progress("objects", len(search.found))
            self._erase_rows(search.found, report)
            # A writer that did not know one of these may have stored what names only that.
            erasures.wait_for_writers(sync_id, self._collection_ids())
            grows = search.grow() or not erasures.keys(sync_id, self.customer) <= search.found
        self._erase_files(search.found, report)
        erasures.finish(sync_id, search.found)
        report.objects = _by_name(objects)
        return report

    def _erase_rows(self, found: set[Key], report: CustomerErasure) -> None:
        erasures, sync_id = self.warehouse.erasures, self.sync.id
        for collection_id, names in _by_collection(found, root_of(self.customer)).items():
            for start in range(0, len(names), PART_OBJECTS):
                part = names[start : start + PART_OBJECTS]
                records, events = erasures.erase(sync_id, collection_id, part)
                report.records += records
                report.events += events
                self.progress("records", records)
        report.set_aside += erasures.erase_state(sync_id, found)

    def _erase_files(self, found: set[Key], report: CustomerErasure) -> None:
        exclusive = partial(self.warehouse.locks.lake, self.sync.id)
        report.files, _ = self.lake.erase(found, exclusive)
        report.files += self.lake.erase_set_aside({name for _, name in found})
        self.progress("files", report.files)

    def _report(self, search: Search, *, dry_run: bool) -> CustomerErasure:
        objects = _by_name(search.objects)
        return CustomerErasure(self.sync.name, self.customer, dry_run=dry_run, objects=objects)

    def _collection_ids(self) -> list[str]:
        catalog = load_catalog()
        return [*catalog, *catalog.parent_only]


def _has_data(text: str) -> bool:
    return not is_erased(canonical_json.loads(text))


def _by_collection(keys: Iterable[Key], root: Key) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for collection_id, name in sorted(keys):
        found.setdefault(collection_id, []).append(name)
    # The customer last: what is left of an erasure that was killed is found again by their id.
    last = found.pop(root[0], [])
    return {**found, root[0]: last} if last else found


def _by_name(counts: Counter[str]) -> dict[str, int]:
    return {name.removeprefix(ID_PREFIX): counts[name] for name in sorted(counts)}
