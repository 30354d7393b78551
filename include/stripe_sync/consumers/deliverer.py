"""Delivers to one consumer while this process has its lease, again after each failure."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from stripe_sync.consumers.session import IDLE_SECONDS, DeliverySession
from stripe_sync.consumers.sink import FindConnection, TargetError
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
        # The process before may have been told to wait longer, by the target.
        await self._wait(taken)
        try:
            session = DeliverySession(self, taken)
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
            await asyncio.sleep(min(left, IDLE_SECONDS))

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


def _failure(error: Exception) -> TargetError:
    """An error as one of the target, whatever it is."""
    if isinstance(error, TargetError):
        return error
    if isinstance(error, ConfigurationError):
        return TargetError(str(error))
    log.exception("The sink failed")
    # Its text may have a secret of the connection.
    return TargetError(f"unexpected {type(error).__name__}: the log of the delivery has it")
