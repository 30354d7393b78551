"""Erase a customer: the customer and what belongs to them, from warehouse and lake, for good.

The steps are in this order, so that a process may be killed between any two of them:

1. The customer is remembered. From then on no writer stores them, or an object that names them.
2. Objects that belong to them are searched in records, change events and the lake, and remembered.
3. Rows, set-aside texts and queue entries in the warehouse are erased, then the lake's files.
4. What was remembered is marked as done. Until then each maintenance continues with step 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from stripe_sync.accounts.syncs import find_sync, open_warehouse
from stripe_sync.catalog import ID_PREFIX, load_catalog
from stripe_sync.catalog.ownership import CUSTOMERS, Key, load_ownership
from stripe_sync.errors import ConfigurationError, SyncConflict
from stripe_sync.lake import Lake, LakeErasure
from stripe_sync.records import canonical_json, ids
from stripe_sync.records.erasure import is_erased
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.erasing.erasures import PART_OBJECTS

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
        customer: ``cus_…``; one that is not stored yet never will be.
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
        search = _Search(self.warehouse, self.lake, self.sync.id)
        search.found = {(CUSTOMERS, self.customer)}
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
        search = _Search(self.warehouse, self.lake, sync_id)
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
        for collection_id, names in _by_collection(found).items():
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

    def _report(self, search: _Search, *, dry_run: bool) -> CustomerErasure:
        objects = _by_name(search.objects)
        return CustomerErasure(self.sync.name, self.customer, dry_run=dry_run, objects=objects)

    def _collection_ids(self) -> list[str]:
        catalog = load_catalog()
        return [*catalog, *catalog.parent_only]


class _Search:
    """Finds the objects that belong to some objects, in records, change events and lake.

    Earlier states count: a payment method that was detached names its customer no longer.

    Attributes:
        found: Keys of the objects, found so far.
        objects: Number of those with data, by collection.
    """

    def __init__(self, warehouse: Warehouse, lake: LakeErasure, sync_id: UUID) -> None:
        self._warehouse = warehouse
        self._lake = lake
        self._sync_id = sync_id
        self._ownership = load_ownership()
        self._with_data: set[Key] = set()
        self.found: set[Key] = set()

    @property
    def objects(self) -> Counter[str]:
        return Counter(collection_id for collection_id, _ in self._with_data)

    def grow(self) -> bool:
        """Search everything until nothing more is found; whether anything was."""
        before = len(self.found)
        size = -1
        while size < len(self.found):
            size = len(self.found)
            for row in chain.from_iterable(self._rows()):
                self._look_at(row)
        return len(self.found) > before

    def _rows(self) -> Iterator[Iterable[Any]]:
        yield from self._warehouse.erasures.stored_rows(self._sync_id)
        yield from self._lake.rows()

    def _look_at(self, row: Any) -> None:
        """Add the object of a row, and its parts, if it belongs to one that was found."""
        payload, key = canonical_json.loads(row.payload), (row.collection_id, row.upstream_id)
        if is_erased(payload) or not (key in self.found or self._belongs(row, payload)):
            return
        self.found.add(key)
        self._with_data.add(key)
        parts = self._ownership.parts(row.collection_id, payload) - self.found
        self.found |= {part for part in parts if self._is_of_nobody_else(part)}

    def _belongs(self, row: Any, payload: Any) -> bool:
        if not self._ownership.may_belong(row.collection_id):
            return False
        named = self._ownership.named(row.collection_id, payload, row.parent_id)
        if row.changes:
            changes = canonical_json.loads(row.changes)
            named |= self._ownership.named(row.collection_id, changes, None)
        return self._ownership.belongs(named, self.found)

    def _is_of_nobody_else(self, key: Key) -> bool:
        """Whether the stored state of an object names no other customer."""
        stored = self._warehouse.erasures.payload(self._sync_id, key)
        if stored is None:
            return True
        text, parent_id = stored
        named = self._ownership.named(key[0], canonical_json.loads(text), parent_id)
        return not self._ownership.names_others(named, self.found)


def _has_data(text: str) -> bool:
    return not is_erased(canonical_json.loads(text))


def _by_collection(keys: Iterable[Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for collection_id, name in sorted(keys):
        found.setdefault(collection_id, []).append(name)
    # The customer last: what is left of an erasure that was killed is found again by their id.
    customers = found.pop(CUSTOMERS, [])
    return {**found, CUSTOMERS: customers} if customers else found


def _by_name(counts: Counter[str]) -> dict[str, int]:
    return {name.removeprefix(ID_PREFIX): counts[name] for name in sorted(counts)}
