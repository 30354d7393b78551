"""Delete a sync: the sync alone, or with everything that it has stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from uuid import UUID, uuid4

from stripe_sync.accounts.syncs import find_sync
from stripe_sync.catalog import load_catalog
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import ConfigurationError, SyncBusy, SyncNotFound
from stripe_sync.lake import Lake, LakeReader, remove_files
from stripe_sync.records import ids
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.warehouse import open_warehouse

_LEASE_SECONDS = 10.0
"""By then a poller that was about to begin has seen the status, and a killed deletion can go on."""


@dataclass(frozen=True, slots=True)
class SyncDeletion:
    """Result of a deletion.

    Attributes:
        name: The sync.
        is_done: Whether everything is deleted; if not, call again to continue.
        data_kept: Whether its records, change events and lake files stay.
        records: Records deleted by this call.
        events: Change events deleted by this call.
        files: Lake files deleted by this call.
    """

    name: str
    is_done: bool
    data_kept: bool
    records: int = 0
    events: int = 0
    files: int = 0


def delete_sync(
    warehouse_url: str,
    sync: str,
    *,
    keep_data: bool,
    lake_url: str | None = None,
    seconds: float | None = None,
    progress: Callable[[str, int], None] | None = None,
    clock: Clock | None = None,
) -> SyncDeletion:
    """Delete a sync. Other syncs, the views, and files of others are not touched.

    Everything is deleted in small parts, each for good: after an interruption call it again. The
    sync is ``deleting`` meanwhile and cannot be used. Nothing in Stripe is changed.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id. With ``keep_data=False`` also the name of a sync that was deleted
            while its data was kept.
        keep_data: Keep its records and change events in the warehouse and its files in the lake;
            then its name can be used again after a reload from the lake.
        lake_url: The lake, as in ``Connections``; needed without ``keep_data``.
        seconds: Stop after about this time; None to run to the end.
        progress: Called after each part with the kind of rows and their number.
        clock: Counts the seconds.

    Raises:
        SyncNotFound: There is no such sync, and no data of it.
        SyncBusy: It is being polled, backfilled or reconciled.
        ConfigurationError: ``lake_url`` is missing.
        WarehouseError: The warehouse cannot be reached.
        LakeError: The lake cannot be written.

    Example:
        >>> from stripe_sync import delete_sync
        >>> delete_sync(connections.warehouse_url, "eu", keep_data=True).is_done
        True
    """
    if not keep_data and lake_url is None:
        message = "the lake's URL is needed to delete the data of a sync"
        raise ConfigurationError(message, param="lake_url")
    clock = clock or SystemClock()
    end = None if seconds is None else clock.monotonic() + seconds
    with open_warehouse(warehouse_url) as warehouse:
        found = _find(warehouse, sync)
        name = found.name if found else sync
        lake = Lake(lake_url, name) if lake_url and not keep_data else None
        if found is None:
            _check_left_behind(warehouse, lake, name)
        counts: Counter[str] = Counter()
        with _exclusive(warehouse, found):
            for kind, count in _parts(warehouse, lake, ids.sync_id(name)):
                counts[kind] += count
                if progress:
                    progress(kind, count)
                if kind != "syncs" and end is not None and clock.monotonic() >= end:
                    break
            else:
                return _report(name, counts, is_done=True, data_kept=keep_data)
    return _report(name, counts, is_done=False, data_kept=keep_data)


def _report(name: str, counts: Counter[str], *, is_done: bool, data_kept: bool) -> SyncDeletion:
    return SyncDeletion(
        name,
        is_done=is_done,
        data_kept=data_kept,
        records=counts["records"],
        events=counts["events"],
        files=counts["files"],
    )


def _find(warehouse: Warehouse, sync: str) -> Sync | None:
    try:
        return find_sync(warehouse, sync)
    except SyncNotFound:
        return None


def _check_left_behind(warehouse: Warehouse, lake: Lake | None, name: str) -> None:
    """Check that a sync that is gone has left data to delete.

    Raises:
        SyncNotFound: It has not.
    """
    if lake is None or not (warehouse.syncs.has_rows(name) or LakeReader(lake).collections()):
        warehouse.syncs.get(name)  # raises with the names of the syncs that there are


@contextmanager
def _exclusive(warehouse: Warehouse, sync: Sync | None) -> Iterator[None]:
    """Mark a sync as being deleted while nobody uses it, and keep others out.

    Raises:
        SyncBusy: Somebody does; the sync stays as it is.
    """
    if sync is None:
        yield
        return
    owner = f"delete:{uuid4().hex}"
    if not warehouse.polls.acquire_lease(sync.id, owner, seconds=_LEASE_SECONDS):
        raise _busy(sync)
    try:
        with warehouse.locks.backfills(sync.id, _collection_ids(warehouse, sync)):
            # From here on it cannot be opened any more.
            warehouse.syncs.set_status(sync.id, "deleting")
            yield
    finally:
        warehouse.polls.release_lease(sync.id, owner)


def _busy(sync: Sync) -> SyncBusy:
    if sync.status == "deleting":
        message = (
            f"another process deletes sync {sync.name}: wait until it has; if it was killed, try"
            f" again in {_LEASE_SECONDS:.0f} seconds"
        )
    else:
        message = (
            f"sync {sync.name} is being polled: pause it with stripe-sync syncs pause {sync.name},"
            " and try again after some seconds"
        )
    return SyncBusy(message)


def _collection_ids(warehouse: Warehouse, sync: Sync) -> set[str]:
    catalog = load_catalog()
    states = {state.collection_id for state in warehouse.collections.states(sync.name)}
    return {*catalog, *catalog.parent_only, *states}


def _parts(warehouse: Warehouse, lake: Lake | None, sync_id: UUID) -> Iterator[tuple[str, int]]:
    """Delete part by part; the row of the sync comes last, so that it can be continued."""
    data: Iterator[tuple[str, int]] = iter(())
    if lake is not None:
        files = (("files", count) for count in remove_files(lake))
        data = chain(files, warehouse.removal.delete_data(sync_id))
    return chain(data, warehouse.removal.delete_state(sync_id))
