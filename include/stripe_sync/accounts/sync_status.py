"""The state of a sync in one value: what the warehouse knows, and why it is not up to date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stripe_sync.accounts.syncs import SyncInfo, find_sync
from stripe_sync.warehouse import CollectionStatusRow, GapStatus, PollingStatus
from stripe_sync.warehouse.warehouse import open_warehouse


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """State of one sync.

    Attributes:
        sync: The sync.
        is_up_to_date: Whether it is active and has no problem.
        problems: Why it is not up to date, as ``stripe-sync check`` prints it.
        polling: Its polling.
        gaps: The last ten periods whose Stripe events are missing, newest first.
        collections: Each collection that was ever queued or run, by id.
        checked_at: When this was found out, by the warehouse's clock.
    """

    sync: SyncInfo
    is_up_to_date: bool
    problems: tuple[str, ...]
    polling: PollingStatus
    gaps: tuple[GapStatus, ...]
    collections: tuple[CollectionStatusRow, ...]
    checked_at: datetime


def sync_status(warehouse_url: str, sync: str) -> SyncStatus:
    """The state of a sync. Changes nothing, asks Stripe nothing.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.

    Raises:
        SyncNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import sync_status
        >>> [each.status for each in sync_status(connections.warehouse_url, "default").collections]
        ['done']
    """
    with open_warehouse(warehouse_url) as warehouse:
        found = find_sync(warehouse, sync)
        problems = [each.text for each in warehouse.problems.all() if each.sync == found.name]
        return SyncStatus(
            sync=SyncInfo.of(found),
            is_up_to_date=found.status == "active" and not problems,
            problems=tuple(problems),
            polling=warehouse.sync_statuses.polling(found.id),
            gaps=tuple(warehouse.sync_statuses.gaps(found.id)),
            collections=tuple(warehouse.sync_statuses.collections(found.id)),
            checked_at=warehouse.sync_statuses.now(),
        )
