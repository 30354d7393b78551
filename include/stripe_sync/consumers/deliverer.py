"""Delivers to one consumer: read a page, deliver it, store how far the consumer is."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
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
from stripe_sync.errors import ConfigurationError, WarehouseError
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.reader import StreamReader
from stripe_sync.streams.selection import Selection, Stream
from stripe_sync.warehouse.consumers.delivery import (
    LEASE_SECONDS,
    DeliveredBatch,
    DeliveryState,
    LeaseLost,
    TakenConsumer,
)

log = logging.getLogger(__name__)

_RENEW_SECONDS = 2.0
_IDLE_SECONDS = 1.0
"""Longest wait for something new: as long, a cursor stays behind what a filter leaves out."""

_BUSY_SECONDS = 0.05
_MOST_RETRIED = 100
_FIRST_WAIT = 0.5
_WRONG_SECONDS = timedelta(seconds=30)
"""Longest wait after a mistake that only a person can mend, such as a connection that is gone."""


class Deliverer:
    """Delivers to one consumer while this process has its lease.

    Args:
        name: The consumer.
        state: The state of deliveries.
        reader: Reads the streams.
        find_connection: Finds the connection of its target, in a thread.
        is_stopping: Asked between two batches whether to stop.
    """

    def __init__(
        self,
        name: str,
        *,
        state: DeliveryState,
        reader: StreamReader,
        find_connection: FindConnection,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.delivered = 0
        self._name = name
        self._state = state
        self._reader = reader
        self._find_connection = find_connection
        self._is_stopping = is_stopping
        self._is_paused = False
        self.is_failing = False

    async def run(self) -> None:
        """Deliver until told to stop, or the consumer is paused, changed or somebody else's.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        while not self._is_stopping():
            taken = await self._state.take(self._name)
            if taken is None:
                return
            try:
                await self._kept(taken)
            except LeaseLost:
                log.info("Consumer %s was changed, or another process delivers to it", self._name)
                continue
            if self._is_paused:
                break
        await self._state.release(self._name)

    async def _kept(self, taken: TakenConsumer) -> None:
        """Deliver, and keep the lease meanwhile; leave at once where it is lost."""
        self._is_paused = False
        session = asyncio.create_task(self._tries(taken))
        kept_at = time.monotonic()
        try:
            while not (await asyncio.wait({session}, timeout=_RENEW_SECONDS))[0]:
                try:
                    self._is_paused, _ = await self._state.renew(self._name, taken.epoch)
                    kept_at = time.monotonic()
                except LeaseLost:
                    raise
                except WarehouseError as error:
                    if time.monotonic() - kept_at > LEASE_SECONDS / 2:
                        raise
                    log.info("Consumer %s: the lease is not renewed yet: %s", self._name, error)
            await session
        finally:
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)

    async def _tries(self, taken: TakenConsumer) -> None:
        self.is_failing = taken.failures > 0
        failures, failing_since = taken.failures, time.monotonic() - (taken.failing_seconds or 0.0)
        try:
            session = _Session(self, taken)
            longest, gives_up = session.kind.longest_wait, session.kind.gives_up_after
        except ConfigurationError as error:
            message = str(error)
            await self._fail(taken, TargetError(message), failures, _WRONG_SECONDS)
            await self._wait(taken)
            return
        while not self._stops():
            delivered = self.delivered
            try:
                await session.run(self._find_connection)
            except (LeaseLost, WarehouseError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a sink raises is its consumer's
                if self.delivered > delivered or not failures:
                    failures, failing_since = 0, time.monotonic()
                wrong = isinstance(error, ConfigurationError)
                failure = _failure(error)
                age = time.monotonic() - failing_since
                if gives_up is not None and age > gives_up.total_seconds():
                    message = f"{failure}; nothing was delivered for {gives_up}: paused"
                    failure = TargetError(message, pauses=True)
                await self._fail(taken, failure, failures, _WRONG_SECONDS if wrong else longest)
                failures += 1
                if failure.pauses:
                    return
                await self._wait(taken)

    async def _fail(
        self, taken: TakenConsumer, error: TargetError, failures: int, longest: timedelta
    ) -> None:
        self.is_failing = True
        wait = min(_FIRST_WAIT * 2.0 ** min(failures, 30), longest.total_seconds())
        wait = max(wait * random.uniform(0.75, 1.0), error.retry_after or 0.0)  # noqa: S311
        if error.pauses:
            self._is_paused = True
            log.warning("Consumer %s is paused: %s", self._name, error)
        else:
            log.warning("Consumer %s, next try in %.0f s: %s", self._name, wait, error)
        await self._state.fail(self._name, taken.epoch, str(error), wait=wait, pauses=error.pauses)

    async def _wait(self, taken: TakenConsumer) -> None:
        """Wait for the next try; a person who resumes the consumer ends the wait."""
        while not self._stops():
            self._is_paused, left = await self._state.renew(self._name, taken.epoch)
            if left <= 0:
                return
            await asyncio.sleep(min(left, _IDLE_SECONDS))

    def _stops(self) -> bool:
        return self._is_paused or self._is_stopping()

    async def page(
        self, selection: Selection, cursor: StreamCursor, wait: float
    ) -> tuple[Sequence[StreamItem], StreamCursor]:
        """What is new after a cursor, and the cursor after it."""
        page = await self._reader.page(selection, cursor, wait_seconds=wait)
        return page.items, page.cursor

    async def ends(self, selection: Selection) -> StreamCursor:
        """The ends of the streams."""
        return await self._reader.start(selection, "new")

    async def items(self, stream: Stream, keys: Sequence[tuple[UUID, int]]) -> Sequence[StreamItem]:
        """Items by their keys, in order; without those that the stream no longer has."""
        return await self._reader.items(stream, keys)

    async def store(self, taken: TakenConsumer, batch: DeliveredBatch) -> None:
        """Store what was delivered."""
        await self._state.succeed(self._name, taken.epoch, batch)
        self.delivered += batch.delivered
        self.is_failing = self.is_failing and not batch.recovers

    @property
    def stops(self) -> bool:
        """Whether to stop after the present batch."""
        return self._stops()


class _Session:
    """From the opening of the sink to its end."""

    def __init__(self, deliverer: Deliverer, taken: TakenConsumer) -> None:
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
            await self._check(checkpoint.cursor)
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

    async def _check(self, cursor: StreamCursor) -> None:
        """Refuse to go on after the end of a stream: what comes up to there would be left out.

        Raises:
            TargetError: The target was delivered what the stream does not have.
        """
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

    async def _retry(self, sink: Sink) -> None:
        """Deliver items that are due once more."""
        keys = self._pending.due(time.monotonic(), _MOST_RETRIED)
        if not keys:
            return
        items = await self._deliverer.items(self._selection.stream, keys)
        # Of a record, a newer state has come or will come; a change event was deleted by age.
        self._pending.drop(set(keys) - {item.key for item in items})
        await self._deliver(sink, items, self._cursor)

    async def _read(self, sink: Sink) -> None:
        """Read what is new, and deliver what no earlier item of its object blocks."""
        if len(self._pending) >= MOST:
            log.warning("Consumer %s: %s items wait, nothing new is read", self._taken.name, MOST)
            await asyncio.sleep(_IDLE_SECONDS)
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
            return _IDLE_SECONDS
        return min(max(due - time.monotonic(), _BUSY_SECONDS), _IDLE_SECONDS)

    async def _deliver(self, sink: Sink, items: Sequence[StreamItem], end: StreamCursor) -> None:
        outcome = await sink.deliver(DeliveryBatch(items, self._cursor, end))
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
                )
                for item in changes.stored.values()
            ],
            removed=list(changes.removed),
        )
        await self._deliverer.store(self._taken, batch)
        self._cursor = end
        self._stored |= moved


def _found(find_connection: FindConnection, conn_id: str) -> TargetConnection:
    try:
        return find_connection(conn_id)
    except KeyError:
        message = f"there is no connection {conn_id}"
        raise ConfigurationError(message) from None


def _failure(error: Exception) -> TargetError:
    """An error as one of the target, whatever it is."""
    if isinstance(error, TargetError):
        return error
    if isinstance(error, ConfigurationError):
        return TargetError(str(error))
    log.exception("The sink failed")
    # Its text may have a secret of the connection.
    return TargetError(f"unexpected {type(error).__name__}: the log of the delivery has it")


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
