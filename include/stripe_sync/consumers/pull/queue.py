"""Pull consumers: their readers fetch batches and acknowledge each item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from stripe_sync.consumers.pull.settings import PullSettings
from stripe_sync.consumers.pull.take import PullBatch, Taken, locked, take
from stripe_sync.consumers.pull.tokens import parse_tokens
from stripe_sync.errors import ConfigurationError, StripeSyncError
from stripe_sync.streams.page import StreamPage
from stripe_sync.streams.reader import StreamReader
from stripe_sync.streams.selection import Selection
from stripe_sync.warehouse.consumers.pull_items import LockedConsumer, PullItems

MAX_BATCH = 1_000

_LOOK_AGAIN_SECONDS = 5.0
"""Time after which a waiting reader looks for what no notification reports: a replay, a change of
the consumer, an item that another process has given back."""
_PASS_SECONDS = 1.0
"""Time after which the cursor passes what the filters leave out."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What became of tokens.

    Attributes:
        done: Those of deliveries that were in flight.
        expired: The others: acknowledged before, delivered again since, or never given out.
    """

    done: list[str]
    expired: list[str]


@dataclass(eq=False)
class _Local:
    """A consumer in this process.

    Attributes:
        lock: One transaction at a time, so that a consumer uses one connection of the pool.
        turn: One reader at a time waits on behalf of all, who queue behind it.
        changed: Something may be delivered that could not be before.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class PullQueue:
    """Takes and acknowledges items of pull consumers. Use it in the event loop of its reader.

    Args:
        reader: An open reader of the streams, whose connections it uses.

    Example:
        >>> from stripe_sync import PullQueue, StreamReader
        >>> async with StreamReader(url) as reader:
        ...     queue = PullQueue(reader)
        ...     batch = await queue.next("crm", batch_size=100, wait_seconds=30)
        ...     for each in batch.items:
        ...         print(each.item.json()["payload"]["email"])
        ...     await queue.ack("crm", [each.ack_token for each in batch.items])
    """

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._consumers: WeakValueDictionary[str, _Local] = WeakValueDictionary()
        self.waiting = 0
        """Number of readers that wait."""

    async def next(
        self, consumer: str, *, batch_size: int = 1, wait_seconds: float = 0.0
    ) -> PullBatch:
        """Take the next items; an empty batch where nothing came in time.

        Each item is delivered at least once, those of one object in their order and one at a time.
        A caller that is cancelled has taken nothing.

        Args:
            consumer: Name or id of the consumer.
            batch_size: Most items, 1 to 1,000.
            wait_seconds: How long to wait for the first item.

        Raises:
            ConfigurationError: The batch size is out of range.
            ConsumerConflict: It is paused or of another kind.
            ConsumerNotFound: There is no such consumer.
            WarehouseError: The warehouse cannot be reached.
        """
        if not 1 <= batch_size <= MAX_BATCH:
            message = f"batch_size must be 1 to {MAX_BATCH}"
            raise ConfigurationError(message, param="batch_size")
        local = self._local(consumer)
        until = asyncio.get_running_loop().time() + wait_seconds
        if not (wait_seconds and local.turn.locked()):
            taken = await self._take(local, consumer, batch_size)
            if taken.batch.items or not wait_seconds:
                return taken.batch
        self.waiting += 1
        try:
            return await self._wait(local, consumer, batch_size, until)
        finally:
            self.waiting -= 1

    async def ack(self, consumer: str, tokens: Sequence[str]) -> Acknowledged:
        """Count items as delivered.

        Args:
            consumer: Name or id of the consumer; it may be paused.
            tokens: Ack tokens.

        Raises:
            ConsumerConflict: It is of another kind.
            ConsumerNotFound: There is no such consumer.
            WarehouseError: The warehouse cannot be reached.
        """
        given = parse_tokens(tokens)
        async with self._items(consumer) as (_, items):
            done = await items.ack(given) if given else set()
        return _result(tokens, done)

    async def nack(self, consumer: str, tokens: Sequence[str]) -> Acknowledged:
        """Have items delivered again: after 1 second, then 2, 4 … up to an hour.

        Args:
            consumer: Name or id of the consumer; it may be paused.
            tokens: Ack tokens.

        Raises:
            ConsumerConflict: It is of another kind.
            ConsumerNotFound: There is no such consumer.
            WarehouseError: The warehouse cannot be reached.
        """
        given = parse_tokens(tokens)
        async with self._items(consumer) as (found, items):
            settings = PullSettings.model_validate(found.settings)
            most = settings.max_deliver
            done = await items.nack(given, max_deliver=most) if given else set()
        return _result(tokens, done)

    async def give_back(self, consumer: str, batch: PullBatch) -> None:
        """Undo a delivery whose reader is gone; it is delivered to the next reader at once.

        Raises:
            WarehouseError: The warehouse cannot be reached: it is delivered again when the time
                for its ack is over.
        """
        given = parse_tokens(each.ack_token for each in batch.items)
        if given:
            async with self._items(consumer) as (_, items):
                await items.give_back(given)

    async def _wait(self, local: _Local, consumer: str, batch_size: int, until: float) -> PullBatch:
        try:
            async with asyncio.timeout_at(until):
                await local.turn.acquire()
        except TimeoutError:
            return (await self._take(local, consumer, batch_size)).batch
        try:
            return await self._wait_for_all(local, consumer, batch_size, until)
        finally:
            local.turn.release()

    async def _wait_for_all(
        self, local: _Local, consumer: str, batch_size: int, until: float
    ) -> PullBatch:
        """Take what comes first, on behalf of all readers of the consumer in this process."""
        loop = asyncio.get_running_loop()
        while True:
            local.changed.clear()
            taken = await self._take(local, consumer, batch_size)
            left = until - loop.time()
            if taken.batch.items or left <= 0 or self._reader.is_closed:
                return taken.batch
            if taken.page is None or not taken.page.has_more:
                await self._pause(local, taken, left)

    async def _pause(self, local: _Local, taken: Taken, seconds: float) -> None:
        """Until there may be something to take, for so long at most."""
        next_due = _LOOK_AGAIN_SECONDS if taken.next_due is None else taken.next_due
        signals: list[asyncio.Task[Any]] = [asyncio.create_task(local.changed.wait())]
        if taken.page is not None:
            signals.append(asyncio.create_task(self._moved(taken.selection, taken.page)))
        try:
            await asyncio.wait(
                signals,
                timeout=min(seconds, next_due, _LOOK_AGAIN_SECONDS),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for signal in signals:
                signal.cancel()
            await asyncio.gather(*signals, return_exceptions=True)

    async def _moved(self, selection: Selection, page: StreamPage) -> None:
        """When the stream has something for the consumer, or a second after anything else."""
        while not self._reader.is_closed:
            if await self._reader.wait(selection, page, _PASS_SECONDS):
                break

    async def _take(self, local: _Local, consumer: str, batch_size: int) -> Taken:
        """Take items; where the caller is cancelled meanwhile, they are given back."""
        taking = asyncio.create_task(self._take_alone(local, consumer, batch_size))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait({taking})
            if not taking.cancelled() and taking.exception() is None:
                # Where that fails, it is delivered again when the time for its ack is over.
                with suppress(StripeSyncError):
                    await self.give_back(consumer, taking.result().batch)
            raise

    async def _take_alone(self, local: _Local, consumer: str, batch_size: int) -> Taken:
        async with local.lock, self._reader.connection() as connection:
            return await take(connection, consumer, batch_size)

    @asynccontextmanager
    async def _items(self, consumer: str) -> AsyncIterator[tuple[LockedConsumer, PullItems]]:
        """The items of a consumer in a transaction; waiting readers look again after it."""
        local = self._local(consumer)
        async with local.lock, self._reader.connection() as connection, connection.transaction():
            found = await locked(connection, consumer)
            yield found, PullItems(connection, found.name)
        local.changed.set()

    def _local(self, consumer: str) -> _Local:
        local = self._consumers.get(consumer)
        if local is None:
            local = self._consumers[consumer] = _Local()
        return local


def _result(tokens: Sequence[str], done: set[str]) -> Acknowledged:
    given = list(dict.fromkeys(tokens))
    return Acknowledged(
        [token for token in given if token in done],
        [token for token in given if token not in done],
    )
