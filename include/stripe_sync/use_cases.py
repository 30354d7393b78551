"""The use cases of a whole sync as plain blocking functions.

Each takes :class:`~stripe_sync.Connections` and the name of a sync, and returns reports. They need
no Airflow. The functions for single collections, which Airflow tasks call, are in ``stripe_sync``
as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from stripe_sync.accounts.erasing.erasure import finish_erasures
from stripe_sync.catalog import PINNED_API_VERSION, load_catalog
from stripe_sync.client import Credential, NoRateLimit, RetryPolicy, StripeApi, Timeouts
from stripe_sync.client.identity import fetch_identity
from stripe_sync.clock import SystemClock
from stripe_sync.errors import StripeSyncError
from stripe_sync.sync.backfill.backfill import BackfillReport, backfill_collection, plan_backfill
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.maintain import MaintainReport, maintain_sync
from stripe_sync.sync.poll.report import PollBatch, PollReport
from stripe_sync.sync.poll.supervisor import INTERVAL, poll_for
from stripe_sync.sync.progress import Progress
from stripe_sync.sync.reconcile.reconcile import ReconcileReport, reconcile_collection
from stripe_sync.sync.reconcile.schedule import DueRead, plan_chosen, plan_due
from stripe_sync.sync.reload import ReloadReport, plan_reload, reload_collection
from stripe_sync.warehouse import CollectionState, SyncProblem, Warehouse

Item = TypeVar("Item")
Report = TypeVar("Report")
OnProgress = Callable[[Progress], None]


def backfill(
    connections: Connections,
    sync: str = "default",
    collections: Sequence[str] | None = None,
    *,
    since: datetime | None = None,
    requests_per_second: float | None = None,
    progress: OnProgress | None = None,
) -> list[BackfillReport]:
    """Read collections from Stripe, oldest objects first, into lake and warehouse.

    An interrupted backfill continues after its last commit. A collection that fails does not stop
    the others.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync; created when it does not exist. A paused one is refused.
        collections: Names such as ``customer``; None or empty for all that the sync has.
        since: Only objects created at or after this time; None for all.
        requests_per_second: Maximum for this run, instead of the sync's setting.
        progress: Called after each transaction.

    Returns:
        A report for each collection, parents before their children.

    Raises:
        StripeSyncError: At least one collection failed. This is the first error; the others are
            its notes. All other collections were backfilled before it is raised.

    Example:
        >>> from stripe_sync import backfill
        >>> [report] = backfill(connections, collections=["customer"])
        >>> report.collection, report.status, report.objects
        ('customer', 'done', 3)
    """

    def run(collection: str) -> BackfillReport:
        return backfill_collection(
            connections,
            sync,
            collection,
            since=since,
            requests_per_second=requests_per_second,
            progress=progress,
        )

    return _each(plan_backfill(connections, sync, collections).collections, run)


def poll(
    connections: Connections,
    sync: str = "default",
    *,
    seconds: float,
    interval: float = INTERVAL,
    on_batch: Callable[[PollBatch], None] | None = None,
) -> PollReport:
    """Poll the Stripe events of one sync for some time and apply them.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync; created when it does not exist.
        seconds: Duration. It polls at least once, however short this is.
        interval: Seconds between polls; after a full page it polls again at once.
        on_batch: Called after each transaction that wrote change events.

    Raises:
        StripeSyncError: The sync cannot be polled.

    Example:
        >>> from stripe_sync import poll
        >>> poll(connections, seconds=0.1).stripe_events
        0
    """
    return poll_for(
        lambda _: connections,
        connections.warehouse_url,
        seconds=seconds,
        syncs=[sync],
        interval=interval,
        on_batch=on_batch,
    )


def reconcile(
    connections: Connections,
    sync: str = "default",
    collections: Sequence[str] | None = None,
    *,
    window_days: int | None = None,
    everything: bool = False,
    progress: OnProgress | None = None,
) -> list[ReconcileReport]:
    """Read collections again and repair the records that differ from Stripe.

    A collection that fails does not stop the others.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync.
        collections: Names such as ``customer``; None or empty for those that are due.
        window_days: Read only objects created within this number of days; None for all objects,
            which also finds deleted ones.
        everything: Without ``collections``: read all, due or not.
        progress: Called after each transaction.

    Returns:
        A report for each collection, parents before their children.

    Raises:
        StripeSyncError: At least one collection failed, as for :func:`backfill`.

    Example:
        >>> from stripe_sync import reconcile
        >>> [report] = reconcile(connections, collections=["customer"])
        >>> report.status, report.drift
        ('done', 0)
    """

    def run(due: DueRead) -> ReconcileReport:
        window = None if due.window_days is None else timedelta(days=due.window_days)
        return reconcile_collection(
            connections, sync, due.collection, window=window, progress=progress
        )

    due_reads = plan_reconcile(
        connections, sync, collections, window_days=window_days, everything=everything
    )
    return _each(due_reads, run)


def plan_reconcile(
    connections: Connections,
    sync: str = "default",
    collections: Sequence[str] | None = None,
    *,
    window_days: int | None = None,
    everything: bool = False,
) -> list[DueRead]:
    """List the collections to read again. Sends no request to Stripe.

    Args:
        connections: How to reach the warehouse.
        sync: Name of the sync.
        collections: Names such as ``customer``; None or empty for those that are due.
        window_days: Read only objects created within this number of days. Without ``collections``
            this selects all collections that can be read by creation time.
        everything: Without ``collections``: select all, due or not.

    Returns:
        Parents before their children.

    Raises:
        ConfigurationError: A collection is unknown or none of the sync's, or ``window_days`` is
            less than 1 or more than 36,500.
        SyncConflict: The sync is paused or being deleted.
        WarehouseError: The warehouse cannot be reached.
    """
    if collections or everything or window_days is not None:
        return plan_chosen(connections, sync, collections or [], window_days)
    return plan_due(connections, sync, SystemClock().now())


def reload(
    connections: Connections,
    sync: str = "default",
    collections: Sequence[str] | None = None,
    *,
    progress: OnProgress | None = None,
) -> list[ReloadReport]:
    """Restore records and change events from the lake into the warehouse.

    Sends no request to Stripe. Rows that are in the warehouse already stay. Stop polling of this
    sync before.

    Args:
        connections: Warehouse and lake; of the credential only mode and account are used.
        sync: Name of the sync.
        collections: Names such as ``customer``; None or empty for all that the lake contains.
        progress: Called after each transaction.

    Raises:
        SyncBusy: The sync is being polled.
        StripeSyncError: At least one collection failed, as for :func:`backfill`.

    Example:
        >>> from stripe_sync import reload
        >>> [report] = reload(connections, collections=["customer"])
        >>> report.records  # all are in the warehouse already
        0
    """

    def run(collection: str) -> ReloadReport:
        return reload_collection(connections, sync, collection, progress=progress)

    return _each(plan_reload(connections, sync, collections), run)


def maintain(
    connections: Connections,
    sync: str = "default",
    *,
    progress: OnProgress | None = None,
) -> MaintainReport:
    """Delete expired rows from the warehouse, merge small files of the lake, remove leftovers.

    Erasures that were interrupted are finished first.

    Sends no request to Stripe. It may run beside everything else and be stopped at any time.

    Args:
        connections: Warehouse and lake.
        sync: Name of the sync.
        progress: Called after each step with the number of rows or files done.

    Raises:
        ConfigurationError: There is no such sync.
        StripeSyncError: Warehouse or lake failed.

    Example:
        >>> from stripe_sync import maintain
        >>> [customers] = maintain(connections).collections
        >>> customers.collection
        'customer'
    """
    finish_erasures(connections.warehouse_url, connections.lake_url, sync)
    return maintain_sync(connections, sync, progress=progress)


def status(connections: Connections, sync: str = "default") -> list[CollectionState]:
    """The backfill state of every collection of a sync that was ever queued or run.

    Args:
        connections: How to reach the warehouse.
        sync: Name of the sync.

    Raises:
        ConfigurationError: There is no such sync.
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import status
        >>> for state in status(connections):
        ...     print(state.collection, state.status, state.objects)
        customer done 3
    """
    with Warehouse(connections.warehouse_url) as warehouse:
        return list(warehouse.collections.states(sync))


def list_syncs(warehouse_url: str, *, active: bool = False) -> list[str]:
    """Names of all syncs of a warehouse that are not being deleted; none without tables.

    Args:
        warehouse_url: ``postgresql://…``.
        active: Leave out paused and disconnected syncs.

    Raises:
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import list_syncs
        >>> list_syncs(connections.warehouse_url)
        ['default']
    """
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        syncs = warehouse.syncs.all()
        wanted = ("active",) if active else ("active", "paused", "disconnected")
        return [sync.name for sync in syncs if sync.status in wanted]


def check_syncs(warehouse_url: str) -> list[SyncProblem]:
    """Find out whether all active syncs are up to date. Changes nothing, asks Stripe nothing.

    A sync that was not polled for a minute, that Stripe refuses, or that has a collection whose
    backfill failed, is not.

    Args:
        warehouse_url: ``postgresql://…``.

    Returns:
        The reasons, by sync; empty when all is well.

    Raises:
        WarehouseError: The warehouse cannot be reached, or has no tables.

    Example:
        >>> from stripe_sync import check_syncs
        >>> check_syncs(connections.warehouse_url)
        []
    """
    with Warehouse(warehouse_url) as warehouse:
        return warehouse.problems.all()


def rebuild_types(
    warehouse_url: str,
    collections: Collection[str] | None = None,
    *,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, int]:
    """Fill the typed tables behind the views again from the payloads. Asks Stripe nothing.

    Readers and syncs go on meanwhile. An interrupted call is finished by the next maintenance.

    Args:
        warehouse_url: ``postgresql://…``.
        collections: Ids or short names; None for all.
        progress: Called after each transaction with a collection id and its rows so far.

    Returns:
        Number of rows by collection id.

    Raises:
        ConfigurationError: There is no such collection.
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import rebuild_types
        >>> rows = rebuild_types(connections.warehouse_url, ["customer"])
        >>> list(rows)
        ['stripe:customer']
    """
    catalog = load_catalog()
    chosen = catalog if collections is None else [catalog.resolve(n).id for n in collections]
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        warehouse.typed_tables.restart(list(chosen))
        filled: dict[str, int] = {}
        for collection_id, rows in warehouse.typed_tables.fill():
            filled[collection_id] = filled.get(collection_id, 0) + rows
            if progress:
                progress(collection_id, filled[collection_id])
        return filled


def fetch_account_id(credential: Credential) -> str | None:
    """Ask Stripe for the account of a key, which proves that the key works.

    Args:
        credential: The key. A request that fails is sent once more; each attempt ends after 10 s.

    Returns:
        ``acct_…``; None if nothing that the key may read has it.

    Raises:
        AuthenticationError: Stripe refuses the key.
        AccountDisconnected: The key has no access to the connected account.
        StripeError: Stripe cannot be reached.

    Example:
        >>> from stripe_sync import fetch_account_id
        >>> fetch_account_id(connections.credential).startswith("acct_")
        True
    """

    async def fetch() -> str | None:
        retry = RetryPolicy(attempts=2, total=15, timeouts=Timeouts(connect=5, total=10))
        async with StripeApi(
            credential,
            api_version=PINNED_API_VERSION,
            rate_limiter=NoRateLimit(),
            retry=retry,
        ) as api:
            return (await fetch_identity(api, credential)).account

    return asyncio.run(fetch())


def _each(items: Iterable[Item], run: Callable[[Item], Report]) -> list[Report]:
    """Run all items; raise the first error at the end, with the others as its notes."""
    reports: list[Report] = []
    errors: list[StripeSyncError] = []
    for item in items:
        try:
            reports.append(run(item))
        except StripeSyncError as error:
            errors.append(error)
    if errors:
        first, *others = errors
        for other in others:
            first.add_note(f"Also failed: {other}")
        raise first
    return reports
