"""When collections are read again, and reading what was created lately."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from stripe_sync.catalog import Catalog, Collection, ListCall, Retrieval
from stripe_sync.extract import partitions, reading
from stripe_sync.extract.extractors.child_lists import ChildListExtractor
from stripe_sync.extract.parent_pages import ParentReader
from stripe_sync.extract.source_objects import Requester
from stripe_sync.extract.windows import Reader, Slice
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.sync.session import STRIPE_EVENTS, Session
from stripe_sync.warehouse import CollectionStatus, Warehouse

HOUR = 3
"""Hour of the night, UTC, from which whole collections are due."""

SUNDAY = 6

WHOLE = 0
"""Stands for no window where windows are counted in days."""


@dataclass(frozen=True, slots=True)
class DueRead:
    """A collection to read again.

    Attributes:
        collection: Short name.
        window_days: How far to look back; None for all the way.
    """

    collection: str
    window_days: int | None


def plan_due(connections: Connections, sync_name: str, now: datetime) -> list[DueRead]:
    """Say which collections of a sync are due.

    Everything is due once a week, from Sunday night on; what ``reread_schedule`` in the
    catalogue names, more often; all of it at once after a gap. A backfill counts as a re-read.
    Only collections whose backfill is complete are due. Sends no request to Stripe.

    Args:
        connections: How to reach the warehouse.
        sync_name: The sync; nothing is due where there is none yet.
        now: The time.

    Returns:
        Those first that others are read through.

    Raises:
        WarehouseError: The warehouse cannot be reached or changed.
    """
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = warehouse.syncs.find(sync_name)
        if sync is None:
            return []
        states = {state.collection_id: state for state in warehouse.collections.statuses(sync_name)}
        times = warehouse.reconciles.times(sync.id)
        gap = warehouse.gaps.newest_open(sync.id)
        found = []
        missed = False
        catalog = connections.settings.catalog
        for row in in_order(catalog, catalog.values()):
            state = states.get(row.id)
            if state and state.status in partitions.COMPLETE and _by_schedule(row):
                read = _Readings.of(state, times.get(row.id, {}))
                missed = missed or read.missed(gap)
                window = WHOLE if read.missed(gap) else _due(row, read, now)
                if window is not None:
                    found.append(DueRead(row.name, window or None))
        if gap and not missed:
            warehouse.gaps.close(sync.id, ended_until=gap, at=now)
    return found


def plan_chosen(
    settings: SyncSettings, collections: Sequence[str], window_days: int | None
) -> list[DueRead]:
    """Say what to read again, whether it is due or not.

    Args:
        settings: Of the sync.
        collections: Names in any accepted spelling; none for all that can be read so.
        window_days: How far to look back; None for all the way.

    Returns:
        Those first that others are read through. In place of a collection that only comes along
        with others stand those.

    Raises:
        ConfigurationError: A name is unknown.
    """
    catalog = settings.catalog
    if collections:
        rows = [catalog.resolve(name) for name in collections]
    else:
        rows = [
            row for row in catalog.values() if window_days is None or can_look_back(catalog, row)
        ]
    readers = {
        reader.id: reader
        for row in rows
        for reader in (
            [row] if reading.has_own_reader(row) else reading.host_collections(catalog, row)
        )
    }
    return [DueRead(row.name, window_days) for row in in_order(catalog, readers.values())]


def in_order(catalog: Catalog, rows: Iterable[Collection]) -> list[Collection]:
    """Collections with those first that others are read through."""
    return sorted(rows, key=lambda row: reading.dependency_level(catalog, row))


def can_look_back(catalog: Catalog, row: Collection) -> bool:
    """Whether a collection can be read as far as it was created lately."""
    parents = (catalog.parent(call.parent) for call in row.lists if call.parent)
    below = row.retrieval is Retrieval.NESTED_LIST
    return row.listed_by_time or (below and any(parent.listed_by_time for parent in parents))


def _by_schedule(row: Collection) -> bool:
    # Polling reads Stripe events all the time, and reads them again as far as they may be late.
    nothing = row.id == STRIPE_EVENTS or row.retrieval is Retrieval.CREATE_ONLY
    return reading.has_own_reader(row) and not nothing


@dataclass(frozen=True, slots=True)
class _Readings:
    """When a collection was last read: as a whole, and as far as some days back."""

    whole: datetime | None
    windows: Mapping[int, datetime]

    @classmethod
    def of(cls, state: CollectionStatus, times: Mapping[int, datetime]) -> _Readings:
        read = [state.started_at] if state.started_at else []
        whole = max([*read, *(at for days, at in times.items() if days == WHOLE)], default=None)
        return cls(whole, times)

    def missed(self, gap: datetime | None) -> bool:
        """Whether the collection was not read as a whole since a gap."""
        return gap is not None and (self.whole is None or self.whole < gap)


def _due(row: Collection, read: _Readings, now: datetime) -> int | None:
    """The widest window that is due, ``WHOLE`` for everything, None for nothing."""
    nightly = any(each.days is None for each in row.reread_schedule)
    whole = read.whole
    if whole is None or whole < _last_night(now, sunday=not nightly):
        return WHOLE
    windows = [
        (each.days, each.minutes) for each in row.reread_schedule if each.days and each.minutes
    ]
    for days, minutes in sorted(windows, reverse=True):
        last = max([whole, *(at for width, at in read.windows.items() if width >= days)])
        if now - last >= timedelta(minutes=minutes):
            return days
    return None


def _last_night(now: datetime, *, sunday: bool) -> datetime:
    night = now.astimezone(UTC).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    night -= timedelta(days=night > now)
    return night - timedelta(days=(night.weekday() - SUNDAY) % 7 if sunday else 0)


async def recent(session: Session, row: Collection, since: int) -> AsyncGenerator[Slice, None]:
    """Read what was created lately, or what belongs to parents that were.

    Args:
        session: The open sync.
        row: A collection that can look back.
        since: Unix seconds.

    Raises:
        StripeError: As the client raises it.
    """
    if row.listed_by_time:
        pieces = reading.read(session, row, since=since, position={})
    else:
        pieces = partitions.run(_through_recent_parents(session, row, since), {})
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece


def _through_recent_parents(
    session: Session, row: Collection, since: int
) -> list[partitions.Partition]:
    found: list[partitions.Partition] = []
    below = [call for call in row.lists if call.parent]
    for parent_id, together in groupby(below, lambda call: str(call.parent)):
        parent = session.catalog.parent(parent_id)
        if parent.listed_by_time:
            reader_of = _reader_of(session, row, parent, list(together))
            found += partitions.listed(parent, reader_of, since=since)
    return found


def _reader_of(
    session: Session, row: Collection, parent: Collection, calls: Sequence[ListCall]
) -> partitions.ReaderOf:
    requester = Requester(session.api, session.clock)
    extractor = ChildListExtractor(requester, row, calls, normalizer=session.normalizer(row))
    expand = [str(call.embedded) for call in calls if call.expand]

    def reader_of(call: ListCall, params: Mapping[str, str]) -> Reader:
        return ParentReader(requester, parent, call, extractor, expand=expand, params=params)

    return reader_of
