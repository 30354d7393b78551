"""Takes items for a reader, in one transaction: what is due again first, then the stream."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.consumers.consumer import Filters
from stripe_sync.consumers.pull.settings import PullSettings
from stripe_sync.consumers.pull.tokens import new_batch, token_of
from stripe_sync.consumers.registry import PULL
from stripe_sync.errors import ConsumerConflict, ConsumerNotFound, SyncNotFound
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import SELECT, StreamItem, is_wanted, item_of
from stripe_sync.streams.page import MAX_BYTES, MAX_ITEMS, StreamPage, known_syncs, read_page
from stripe_sync.streams.reader import run_queries
from stripe_sync.streams.selection import Selection, Stream
from stripe_sync.warehouse.consumers.pull_items import (
    IN_FLIGHT,
    PARKED,
    RETRY,
    LockedConsumer,
    ObjectKey,
    PullCounts,
    PullItems,
    PullRow,
    lock_consumer,
)

_MOST_HELD = 10_000
"""Items that wait behind others, or for another try; above that the stream is read no further."""

_LOOK_FOR_ACKS_SECONDS = 0.5
"""Time after which acks of other processes are looked for."""

_SECONDS = 1.0
_CHUNK = 250
_EXACT_PENDING = 1_000
_GROWTH = 4

_DUE = {
    Stream.EVENTS: f"{SELECT[Stream.EVENTS]} WHERE sync_id = %(sync)s AND"
    " seq = ANY(%(seqs)s::bigint[])",
    # An object has one record, which may have moved on since it was delivered.
    Stream.RECORDS: f"{SELECT[Stream.RECORDS]} WHERE sync_id = %(sync)s AND (collection_id,"
    " upstream_id) IN (SELECT * FROM unnest(%(collections)s::text[], %(upstream_ids)s::text[]))",
}


@dataclass(frozen=True, slots=True)
class PullInfo:
    """What a pull consumer waits for.

    Attributes:
        num_pending: Items that can still be delivered. Exact up to 1,000 positions of the stream;
            above that, items that the filters leave out count as well.
        num_ack_pending: Items that were delivered and not acknowledged.
        waits_for_acks: Whether nothing more is delivered before something is acknowledged.
    """

    num_pending: int
    num_ack_pending: int
    waits_for_acks: bool


@dataclass(frozen=True, slots=True)
class PullItem:
    """A delivery.

    Attributes:
        ack_token: Names it in ``ack`` and ``nack``.
        item: The record or change event.
    """

    ack_token: str
    item: StreamItem


@dataclass(frozen=True, slots=True)
class PullBatch:
    """Deliveries, of each object one at most.

    Attributes:
        stream: ``records`` or ``events``.
        items: The deliveries.
        info: What is left.
    """

    stream: Stream
    items: list[PullItem]
    info: PullInfo


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch, and what its reader has to wait for where it is empty.

    Attributes:
        batch: The batch.
        selection: What the consumer reads.
        page: The end of what it has read; None where nothing may be read before something is
            acknowledged.
        next_due: Seconds until an item is delivered again; None where none will be.
    """

    batch: PullBatch
    selection: Selection
    page: StreamPage | None
    next_due: float | None


async def take(connection: psycopg.AsyncConnection[Any], consumer: str, batch_size: int) -> Taken:
    """Take items of a consumer. What is filtered out is passed.

    Args:
        connection: In autocommit mode.
        consumer: Name or id of the consumer.
        batch_size: Most items.

    Raises:
        ConsumerConflict: It is paused, is of another kind, or its filters name a sync that is gone.
        ConsumerNotFound: There is no such consumer.
        psycopg.Error: The warehouse refuses, or the connection is lost: nothing was taken.
    """
    async with connection.transaction():
        found = await locked(connection, consumer)
        if found.is_paused:
            message = f"the consumer {found.name} is paused: resume it"
            raise ConsumerConflict(message, param="consumer")
        try:
            return await _Taking(connection, found, batch_size).run()
        except SyncNotFound as error:
            message = f"the filters of the consumer {found.name} name a sync that is gone: {error}"
            raise ConsumerConflict(message, param="filters.sync_id") from error


async def locked(connection: psycopg.AsyncConnection[Any], consumer: str) -> LockedConsumer:
    """A pull consumer, locked for this transaction.

    Raises:
        ConsumerConflict: It is of another kind.
        ConsumerNotFound: There is no such consumer.
    """
    found = await lock_consumer(connection, consumer) if "\0" not in consumer else None
    if found is None:
        message = f"there is no consumer {consumer!r}"
        raise ConsumerNotFound(message, param="consumer")
    if found.kind != PULL:
        message = (
            f"the consumer {found.name} is of kind {found.kind}: items are delivered to its target,"
            " and only a consumer of kind pull is read this way"
        )
        raise ConsumerConflict(message, param="consumer")
    return found


class _Taking:
    """Takes items of a locked consumer."""

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], found: LockedConsumer, batch_size: int
    ) -> None:
        self._connection = connection
        self._items = PullItems(connection, found.name)
        self._settings = PullSettings.model_validate(found.settings)
        filters = Filters.model_validate(found.filters)
        self._selection = Selection.of(
            found.stream,
            syncs=filters.sync_id,
            collections=filters.collection_id,
            event_types=filters.event_type,
        )
        self._batch_size = batch_size
        self._tokens = new_batch()
        self._batch: list[PullItem] = []
        self._rows: list[PullRow] = []
        self._in_flight = self._held = 0

    async def run(self) -> Taken:
        settings = self._settings
        if settings.max_deliver >= 0:
            await self._items.give_up(
                max_deliver=settings.max_deliver, ack_wait_ms=settings.ack_wait_ms
            )
        counts = await self._items.counts()
        self._in_flight, self._held = counts.in_flight, counts.held
        if counts.due:
            await self._deliver_due()
        page = None
        if self._room and self._held < _MOST_HELD:
            page = await self._read(has_items=bool(counts.in_flight or counts.held))
        await self._items.put(self._rows, ack_wait_ms=settings.ack_wait_ms)
        return await self._taken(page, counts)

    @property
    def _room(self) -> int:
        """Number of further items that may be delivered now."""
        free = self._settings.max_ack_pending - self._in_flight
        return max(0, min(self._batch_size - len(self._batch), free))

    async def _taken(self, page: StreamPage | None, counts: PullCounts) -> Taken:
        is_blocked = self._in_flight >= self._settings.max_ack_pending or self._held >= _MOST_HELD
        next_due = [] if counts.next_due is None else [counts.next_due]
        if is_blocked or counts.parked:
            next_due.append(_LOOK_FOR_ACKS_SECONDS)
        info = PullInfo(
            num_pending=self._held + await self._pending(page),
            num_ack_pending=self._in_flight,
            waits_for_acks=is_blocked,
        )
        return Taken(
            batch=PullBatch(self._selection.stream, self._batch, info),
            selection=self._selection,
            page=None if is_blocked else page,
            next_due=min(next_due, default=None),
        )

    async def _pending(self, page: StreamPage | None) -> int:
        """Items of the stream that the cursor has not passed."""
        if page is None:
            chosen = self._selection.choose(await run_queries(self._connection, known_syncs()))
            read = await self._items.positions()
            positions = {sync.id: read.get(sync.id, 0) for sync in chosen}
        elif page.has_more:
            positions = {sync: page.cursor.positions[sync] for sync in page.syncs}
        else:
            return 0
        return await self._items.behind(
            self._selection.stream,
            positions,
            collections=self._selection.collections,
            event_types=self._selection.event_types,
            exact=_EXACT_PENDING,
        )

    async def _deliver_due(self) -> None:
        """Deliver what is due: what was not acknowledged in time, then what has waited."""
        due = await self._items.due(self._batch_size)
        size = 0
        for start in range(0, len(due), _CHUNK):
            chunk = due[start : start + _CHUNK]
            items = await self._bodies(chunk)
            for row in chunk:
                item = items.get(row.object_key)
                if size < MAX_BYTES and (row.state == IN_FLIGHT or self._room):
                    size += len(item.body) if item else 0
                    await self._deliver_again(row, item)

    async def _deliver_again(self, row: PullRow, item: StreamItem | None) -> None:
        if row.state == IN_FLIGHT:
            self._in_flight -= 1
        else:
            self._held -= 1
        if item is None:
            # The warehouse no longer has it, or the filters were changed and leave it out.
            await self._items.drop(row)
        elif item.seq == row.seq:
            self._deliver(item, row.deliveries + 1)
        else:
            # Earlier states of the record are superseded by the newest one.
            self._held -= await self._items.forget([row.object_key], (IN_FLIGHT, RETRY, PARKED))
            self._deliver(item, 1)

    def _deliver(self, item: StreamItem, deliveries: int) -> None:
        token = token_of(item.key, self._tokens)
        self._in_flight += 1
        self._batch.append(PullItem(token, item))
        self._rows.append(_row(item, IN_FLIGHT, deliveries, token))

    async def _bodies(self, rows: Sequence[PullRow]) -> dict[ObjectKey, StreamItem]:
        """The items of rows by their objects; without those that nobody will get."""
        items = {}
        for sync in await self._chosen({row.sync_id for row in rows}):
            wanted = [row for row in rows if row.sync_id == sync]
            values = {
                "sync": sync,
                "seqs": [row.seq for row in wanted],
                "collections": [row.collection_id for row in wanted],
                "upstream_ids": [row.upstream_id for row in wanted],
            }
            cursor = await self._connection.execute(_DUE[self._selection.stream], values)
            for row in await cursor.fetchall():
                item = item_of(self._selection.stream, sync, row)
                if is_wanted(item, self._selection):
                    items[item.object_key] = item
        return items

    async def _chosen(self, syncs: set[UUID]) -> set[UUID]:
        if not self._selection.names_syncs:
            return syncs
        known = await run_queries(self._connection, known_syncs())
        return syncs & {sync.id for sync in self._selection.choose(known)}

    async def _read(self, *, has_items: bool) -> StreamPage:
        """Read the stream until there is no room, nothing more, or too much is parked.

        Args:
            has_items: Whether items that the cursor has passed were not acknowledged.

        Returns:
            The last page, with the cursor after what was used of it.
        """
        before = await self._items.positions()
        cursor, until = StreamCursor(before), time.monotonic() + _SECONDS
        limit, busy = self._room, {row.object_key: row.seq for row in self._rows}
        while True:
            page = await run_queries(
                self._connection, read_page(self._selection, cursor, min(limit, MAX_ITEMS))
            )
            if has_items and page.items:
                busy = await self._items.busy({item.object_key for item in page.items}) | busy
            used = await self._use(page.items, busy)
            if used < len(page.items):
                page = _ended_after(page, cursor, used)
                break
            if not page.has_more or not self._room or time.monotonic() >= until:
                break
            cursor, limit = page.cursor, limit * _GROWTH
        moved = {
            sync: seq for sync, seq in page.cursor.positions.items() if before.get(sync, 0) != seq
        }
        await self._items.move(moved)
        return page

    async def _use(self, items: Sequence[StreamItem], busy: dict[ObjectKey, int]) -> int:
        """Deliver items, park those of busy objects; returns how many there was room for."""
        parked: list[StreamItem] = []
        used = 0
        for item in items:
            last = busy.get(item.object_key)
            if last is None and self._room:
                self._deliver(item, 1)
            elif last is None or self._held >= _MOST_HELD:
                break
            elif last < item.seq:
                parked.append(item)
                self._held += 1
            # Else a record that was delivered once more before the cursor has come to it.
            busy[item.object_key] = item.seq
            used += 1
        if parked and self._selection.stream == Stream.RECORDS:
            # What was parked before is an earlier state of the same record.
            objects = {item.object_key for item in parked}
            self._held -= await self._items.forget(objects, (PARKED,))
        self._rows += [_row(item, PARKED) for item in parked]
        return used


def _row(item: StreamItem, state: str, deliveries: int = 0, token: str | None = None) -> PullRow:
    return PullRow(
        item.sync_id, item.seq, item.collection_id, item.upstream_id, state, deliveries, token
    )


def _ended_after(page: StreamPage, before: StreamCursor, used: int) -> StreamPage:
    """A page that ends after some of its items."""
    positions = dict.fromkeys(page.syncs, 0) | dict(before.positions)
    for item in page.items[:used]:
        positions[item.sync_id] = item.seq
    return replace(page, cursor=StreamCursor(positions), has_more=True)
