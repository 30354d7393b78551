"""One session of a consumer: open its sink, read a page, deliver it, store how far it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol
from uuid import UUID

from stripe_sync.consumers.consumer import ConsumerSpec
from stripe_sync.consumers.pending import MOST, ItemState, Pending, PendingItem
from stripe_sync.consumers.registry import SINKS
from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    FindConnection,
    Outcome,
    Sink,
    SinkContext,
    TargetConnection,
    TargetError,
)
from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import ItemKey, StreamItem, is_wanted
from stripe_sync.streams.selection import Selection, Stream
from stripe_sync.warehouse.consumers.delivery import DeliveredBatch, TakenConsumer

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""Longest wait for something new: as long, a cursor stays behind what a filter leaves out."""

_BUSY_SECONDS = 0.05
_MOST_RETRIED = 100


class Deliveries(Protocol):
    """What a session needs of the one who runs it."""

    is_failing: bool

    @property
    def stops(self) -> bool:
        """Whether to stop after the present batch."""
        ...

    async def page(
        self, selection: Selection, cursor: StreamCursor, wait: float
    ) -> tuple[Sequence[StreamItem], StreamCursor]:
        """What is new after a cursor, and the cursor after it."""
        ...

    async def ends(self, selection: Selection) -> StreamCursor:
        """The ends of the streams."""
        ...

    async def items(self, stream: Stream, keys: Sequence[ItemKey]) -> Sequence[StreamItem]:
        """Items by their keys, in order; without those that the stream no longer has."""
        ...

    async def store(self, taken: TakenConsumer, batch: DeliveredBatch) -> None:
        """Store what was delivered."""
        ...


class DeliverySession:
    """From the opening of the sink to its end.

    Args:
        deliverer: Reads the streams and stores what was delivered.
        taken: The consumer.

    Raises:
        ConfigurationError: Something that is declared of the consumer is wrong.
    """

    def __init__(self, deliverer: Deliveries, taken: TakenConsumer) -> None:
        self._deliverer = deliverer
        self._taken = taken
        spec = ConsumerSpec.of(
            {
                "name": taken.name,
                "kind": taken.kind,
                "stream": taken.stream,
                "filters": taken.filters,
                "settings": taken.settings,
                "connection_id": taken.connection_id,
            }
        )
        self._settings = spec.sink_settings()
        self._selection = spec.selection()
        self.kind: type[Sink] = SINKS[taken.kind]
        self._stored = dict(taken.positions)
        self._cursor = StreamCursor(self._stored)
        self._position = taken.position
        newest = self._selection.stream is Stream.RECORDS
        self._pending = Pending(_pending_items(taken), keeps_newest=newest)

    async def run(self, find_connection: FindConnection) -> None:
        """Open the sink and deliver until told to stop.

        Raises:
            ConfigurationError: Settings or connection are wrong.
            LeaseLost: The consumer is no longer this process's.
            TargetError: The target takes nothing.
            WarehouseError: The warehouse cannot be reached.
        """
        connection = None
        if self._taken.connection_id is not None:
            connection = await asyncio.to_thread(_found, find_connection, self._taken.connection_id)
        context = SinkContext(self._taken.name, self._selection, connection, self._taken.epoch)
        sink = self.kind.of(self._settings, context)
        try:
            checkpoint = await sink.open(Checkpoint(self._cursor, self._position))
            await self._check(checkpoint)
            self._cursor = checkpoint.cursor
            self._pending.reopen()
            if sink.position() != self._position:
                # Before the first batch: after a kill the target is compared with this.
                await self._store(sink, self._cursor, 0, recovers=False)
            while not self._deliverer.stops:
                await self._retry(sink)
                await self._read(sink)
        finally:
            await asyncio.shield(sink.close())

    async def _check(self, checkpoint: Checkpoint) -> None:
        """Refuse to go on where the warehouse has lost what the target was delivered.

        What it has in place of that would be left out.

        Raises:
            TargetError: The target was delivered what the stream does not have.
        """
        cursor = checkpoint.cursor
        if not self._moved(cursor):
            return
        ends = await self._deliverer.ends(self._selection)
        for sync, end in ends.positions.items():
            seq = cursor.positions.get(sync, 0)
            if seq > end:
                message = (
                    f"the target has sync {sync} up to position {seq:,}, but the warehouse up to"
                    f" {end:,} only: the warehouse was restored to a time before, or the sync was"
                    " made anew. Start a replay of the consumer, from 'all' for everything"
                )
                raise TargetError(message)
        is_ahead = any(seq > self._stored.get(sync, 0) for sync, seq in cursor.positions.items())
        if is_ahead and checkpoint.mark is not None:
            mark = await self._mark(cursor)
            if mark is not None and mark != checkpoint.mark:
                message = (
                    "the target was delivered changes that the warehouse does not have: it was"
                    " restored to a time before, or has lost commits in a failover. Start a replay"
                    " of the consumer, from before that or from 'all'"
                )
                raise TargetError(message)

    async def _mark(self, end: StreamCursor) -> int | None:
        """Names what the streams have where a cursor moves to; None where it is gone.

        Commits are lost from the end: what is still there has all that was before it.
        """
        moved = self._moved(end)
        found = await self._deliverer.items(Stream.EVENTS, list(moved.items()))
        if not moved or len(found) < len(moved):
            return None
        names = sorted(f"{item.key} {_identity(item)}" for item in found)
        digest = blake2b("\n".join(names).encode(), digest_size=8).digest()
        return int.from_bytes(digest) >> 2

    async def _retry(self, sink: Sink) -> None:
        """Deliver items that are due once more."""
        keys = self._pending.due(time.monotonic(), _MOST_RETRIED)
        if not keys:
            return
        found = await self._deliverer.items(self._selection.stream, keys)
        # Its filters may have been changed since they were read.
        items = await self._wanted(found)
        # Of a record, a newer state has come or will come; a change event was deleted by age.
        self._pending.drop(set(keys) - {item.key for item in items})
        await self._deliver(sink, items, self._cursor)

    async def _wanted(self, items: Sequence[StreamItem]) -> list[StreamItem]:
        if self._selection.names_syncs:
            syncs = (await self._deliverer.ends(self._selection)).positions
            items = [item for item in items if item.sync_id in syncs]
        return [item for item in items if is_wanted(item, self._selection)]

    async def _read(self, sink: Sink) -> None:
        """Read what is new, and deliver what no earlier item of its object blocks."""
        if len(self._pending) >= MOST:
            log.warning("Consumer %s: %s items wait, nothing new is read", self._taken.name, MOST)
            await asyncio.sleep(IDLE_SECONDS)
            return
        items, end = await self._deliverer.page(self._selection, self._cursor, self._patience())
        free = [item for item in items if not self._pending.blocks(item)]
        blocked = [item for item in items if self._pending.blocks(item)]
        if blocked:
            self._pending.park(blocked, time.monotonic())
            # Stored first: a target with a cursor of its own passes them with this batch, and if
            # this process dies then, they are not read again.
            await self._store(sink, self._cursor, 0, recovers=not self._deliverer.is_failing)
        has_news = bool(free) or self._pending.in_flight or bool(self._moved(end))
        # With nothing left to deliver, the consumer is no longer failing.
        if has_news or (self._deliverer.is_failing and not len(self._pending)):
            await self._deliver(sink, free, end)

    def _patience(self) -> float:
        """Seconds to wait for something new."""
        if self._pending.in_flight:
            return _BUSY_SECONDS
        due = self._pending.next_due()
        if due is None:
            return IDLE_SECONDS
        return min(max(due - time.monotonic(), _BUSY_SECONDS), IDLE_SECONDS)

    async def _deliver(self, sink: Sink, items: Sequence[StreamItem], end: StreamCursor) -> None:
        mark = await self._mark(end) if self.kind.keeps_cursor else None
        outcome = await sink.deliver(DeliveryBatch(items, self._cursor, end, mark))
        delivered = self._settled(items, outcome)
        await self._store(sink, end, delivered, recovers=delivered > 0 or not items)

    def _settled(self, items: Sequence[StreamItem], outcome: Outcome) -> int:
        delivered, dead = self._pending.settle(items, outcome, time.monotonic())
        for letter in dead:
            log.warning(
                "Consumer %s: %s %s is a dead letter: %s",
                *(self._taken.name, letter.collection_id, letter.upstream_id, letter.error),
            )
        return delivered

    def _moved(self, end: StreamCursor) -> dict[UUID, int]:
        """Positions that are not stored; also where the sink opened ahead of what is stored."""
        return {
            sync: seq for sync, seq in end.positions.items() if self._stored.get(sync, 0) != seq
        }

    async def _store(
        self, sink: Sink, end: StreamCursor, delivered: int, *, recovers: bool
    ) -> None:
        now = time.monotonic()
        changes = self._pending.changes()
        self._position = sink.position()
        moved = self._moved(end)
        batch = DeliveredBatch(
            positions=moved,
            before={sync: self._stored.get(sync, 0) for sync in moved},
            position=self._position,
            delivered=delivered,
            error=self._pending.error,
            recovers=recovers,
            stored=[
                (
                    *item.key,
                    item.collection_id,
                    item.upstream_id,
                    str(item.state),
                    item.deliveries,
                    item.error,
                    item.due - now,
                    now - item.since,
                )
                for item in changes.stored.values()
            ],
            removed=list(changes.removed),
        )
        await self._deliverer.store(self._taken, batch)
        self._cursor = end
        self._stored |= moved


def _identity(event: StreamItem) -> str:
    values = event.json()
    return f"{values['id']} {values['created_at']}"


def _found(find_connection: FindConnection, conn_id: str) -> TargetConnection:
    try:
        return find_connection(conn_id)
    except KeyError:
        message = f"there is no connection {conn_id}"
        raise ConfigurationError(message) from None


def _pending_items(taken: TakenConsumer) -> list[PendingItem]:
    """The stored pending items; what was under way when a process died is tried again now."""
    now = time.monotonic()
    found = []
    for sync, seq, collection, upstream_id, state, deliveries, error, age, wait in taken.items:
        waits = wait if state == ItemState.RETRY and wait is not None else 0.0
        found.append(
            PendingItem(
                (sync, seq),
                collection,
                upstream_id,
                ItemState.RETRY if state == ItemState.IN_FLIGHT else ItemState(state),
                since=now - age,
                due=now + waits,
                deliveries=deliveries,
                error=error,
            )
        )
    return found
