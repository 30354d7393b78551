"""The collections that are due to be read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stripe_sync.catalog import STRIPE_EVENTS, Collection, Reread, Retrieval
from stripe_sync.catalog.dependencies import has_own_reader, has_window, read_order
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.connections import MOST_DAYS, Connections
from stripe_sync.sync.session import refuse_inactive, resolve_selected
from stripe_sync.warehouse import CollectionState, Warehouse

HOUR = 3
"""Hour of the night, UTC, from which whole collections are due."""

SUNDAY = 6

QUIET_MINUTES = 1_440
"""Time between two reads of a window in a quiet sync of cadence ``adaptive``."""

QUIET_AFTER = timedelta(hours=1)
"""Time after a Stripe event in which objects that raise none may still appear."""

WHOLE = 0
"""Stands for no window where windows are counted in days."""


@dataclass(frozen=True, slots=True)
class DueRead:
    """A collection to read again.

    Attributes:
        collection: Short name.
        window_days: Age in days of the oldest objects to read; None for all objects.
    """

    collection: str
    window_days: int | None


def plan_due(connections: Connections, sync_name: str, now: datetime) -> list[DueRead]:
    """The collections of a sync that are due. Sends no request to Stripe.

    Every collection is due once a week, from Sunday night on, and more often as far as its
    ``reread_schedule`` in the catalogue requires. After a gap in the Stripe
    events all are due at once.
    A backfill counts as a read. Only collections whose backfill is complete are due. With cadence
    ``adaptive``, time windows are read once a day while there are no Stripe events: what raises no
    Stripe event rarely comes alone.

    Args:
        connections: How to reach the warehouse.
        sync_name: The sync; nothing is due where it does not exist.
        now: The time.

    Returns:
        In the order to read them.

    Raises:
        SyncConflict: The sync is paused or being deleted.
        WarehouseError: The warehouse cannot be reached or changed.
    """
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = warehouse.syncs.find(sync_name)
        if sync is None:
            return []
        refuse_inactive(sync)
        settings = connections.of_sync(sync).settings
        catalog = settings.catalog
        states = {state.collection_id: state for state in warehouse.collections.states(sync_name)}
        times = warehouse.reconciles.times(sync.id)
        gap = warehouse.gaps.newest_open(sync.id)
        busy_until = None
        if settings.cadence == "adaptive":
            busy_until = warehouse.polls.newest_stripe_event(
                sync.id, polled_since=now - QUIET_AFTER
            )
        due, gap_is_repaired = [], True
        for collection in read_order(catalog, catalog.values()):
            state = states.get(collection.id)
            if state is None or not _is_scheduled(collection) or not sync.selects(collection.id):
                continue
            if not state.status.is_complete:
                # A backfill that began before the gap ended is read again when it is complete.
                began_before = gap and state.started_at and state.started_at < gap
                gap_is_repaired &= not (began_before and state.status.is_unfinished)
                continue
            reads = PastReads.of(state, times.get(collection.id, {}))
            window = due_window(collection.reread_schedule, reads, now, busy_until)
            if gap is not None and not reads.is_whole_since(gap):
                window, gap_is_repaired = WHOLE, False
            if window is not None:
                due.append(DueRead(collection.name, window or None))
        if gap and gap_is_repaired:
            warehouse.gaps.close(sync.id, noted_until=gap)
    return due


def plan_chosen(
    connections: Connections, sync_name: str, collections: Sequence[str], window_days: int | None
) -> list[DueRead]:
    """Some collections to read again, whether they are due or not.

    Args:
        connections: How to reach the warehouse.
        sync_name: The sync.
        collections: Names in any accepted spelling; empty for all of the sync that can be read so.
        window_days: Age in days of the oldest objects to read; None for all objects.

    Returns:
        In the order to read them. A collection without a reader of its own is replaced by those
        together with which it is read.

    Raises:
        ConfigurationError: A name is unknown, the sync does not have the collection, or
            ``window_days`` is less than 1 or more than a century.
        SyncConflict: The sync is paused or being deleted.
        WarehouseError: The warehouse cannot be reached or changed.
    """
    if window_days is not None and not 1 <= window_days <= MOST_DAYS:
        message = f"window_days is {window_days}: give 1 to {MOST_DAYS:,}, or none for all objects"
        raise ConfigurationError(message)
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = warehouse.syncs.find(sync_name)
    if sync:
        refuse_inactive(sync)
    catalog = connections.of_sync(sync).settings.catalog
    chosen = [resolve_selected(catalog, sync, name) for name in collections] or [
        each
        for each in catalog.values()
        if (window_days is None or has_window(catalog, each))
        and (sync is None or sync.selects(each.id))
    ]
    return [DueRead(each.name, window_days) for each in read_order(catalog, chosen)]


def _is_scheduled(collection: Collection) -> bool:
    # Polling reads Stripe events all the time, late ones included.
    never = collection.id == STRIPE_EVENTS or collection.retrieval is Retrieval.CREATE_ONLY
    return has_own_reader(collection) and not never


@dataclass(frozen=True, slots=True)
class PastReads:
    """When a collection was last read.

    Attributes:
        whole: All of it, None for never.
        windows: Objects of a certain age: times by days.
    """

    whole: datetime | None
    windows: Mapping[int, datetime]

    @classmethod
    def of(cls, state: CollectionState, times: Mapping[int, datetime]) -> PastReads:
        """The reads of a collection, its backfill included."""
        reads = [at for at in (state.started_at, times.get(WHOLE)) if at]
        return cls(max(reads, default=None), times)

    def is_whole_since(self, time: datetime) -> bool:
        """Whether all of it was read since a time."""
        return self.whole is not None and self.whole >= time


def due_window(
    schedule: Sequence[Reread],
    reads: PastReads,
    now: datetime,
    busy_until: datetime | None = None,
) -> int | None:
    """The widest window that is due, in days; ``WHOLE`` for everything, None for nothing.

    Args:
        schedule: Of the collection.
        reads: When it was last read.
        now: The time.
        busy_until: Time of the newest Stripe event of a sync that saves reads; None otherwise.
    """
    nightly = any(each.days is None for each in schedule)
    if reads.whole is None or reads.whole < _last_night(now, sunday=not nightly):
        return WHOLE
    windows = [(each.days, each.minutes) for each in schedule if each.days and each.minutes]
    for days, minutes in sorted(windows, reverse=True):
        wider = (at for width, at in reads.windows.items() if width >= days)
        last = max([reads.whole, *wider])
        quiet = busy_until is not None and last > busy_until + QUIET_AFTER
        wait = max(minutes, QUIET_MINUTES) if quiet else minutes
        if now - last >= timedelta(minutes=wait):
            return days
    return None


def _last_night(now: datetime, *, sunday: bool) -> datetime:
    night = now.astimezone(UTC).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    night -= timedelta(days=night > now)
    return night - timedelta(days=(night.weekday() - SUNDAY) % 7 if sunday else 0)
