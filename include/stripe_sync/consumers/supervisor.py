"""Delivers to all consumers of a shard, in one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stripe_sync.consumers.deliverer import Deliverer
from stripe_sync.consumers.sink import FindConnection
from stripe_sync.errors import ConfigurationError, ConsumerNotFound, WarehouseError
from stripe_sync.streams.reader import StreamReader
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.consumers.consumers import ConsumerInfo
from stripe_sync.warehouse.consumers.delivery import DeliveryState
from stripe_sync.warehouse.leases import new_owner

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_STATUS_SECONDS = 10.0
_LONGEST_RETRY_SECONDS = 30.0
_WAREHOUSE_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one call delivered.

    Attributes:
        seconds: How long it ran.
        delivered: Items by name of the consumer.
    """

    seconds: float
    delivered: dict[str, int] = field(default_factory=dict)


def deliver(
    warehouse_url: str,
    find_connection: FindConnection,
    *,
    seconds: float | None = None,
    consumers: Sequence[str] = (),
    shard: int = 0,
    shards: int = 1,
    is_stopping: Callable[[], bool] = lambda: False,
    on_status: Callable[[Sequence[ConsumerInfo]], None] = lambda _: None,
) -> DeliveryReport:
    """Deliver what is new to consumers, as it comes. Any number of processes may do so at once.

    A consumer is served by one process at a time; the others take over within 15 seconds where that
    one dies. One that fails does not delay the others, and an outage of the warehouse is waited
    for.

    Args:
        warehouse_url: ``postgresql://…``.
        find_connection: Finds the connection of a target by its id; called in a thread.
        seconds: How long; None until ``is_stopping``.
        consumers: Names of those to serve; none for all of the shard, new ones too.
        shard: Number of this shard, from 0.
        shards: Number of shards that the consumers are divided among.
        is_stopping: Asked often whether to stop: the batches under way are finished first.
        on_status: Called every 10 seconds and at the end, in a thread, with the state of the
            consumers that are served here.

    Raises:
        ConfigurationError: The shard is none, or the URL is not one of PostgreSQL.
        ConsumerNotFound: ``consumers`` has a name that there is not.
        WarehouseError: The warehouse could not be reached when the time was over.

    Example:
        >>> from stripe_sync import TargetConnection, deliver
        >>> target = TargetConnection("hook", "http", password="whsec_…")
        >>> deliver(url, {"hook": target}.__getitem__, seconds=300).delivered
        {'crm': 12}
    """
    if not 0 <= shard < shards:
        message = f"shard must be 0 to {shards - 1}"
        raise ConfigurationError(message, param="shard")
    started = time.monotonic()

    def stops() -> bool:
        is_over = seconds is not None and time.monotonic() - started >= seconds
        return is_over or is_stopping()

    supervisor = _Supervisor(warehouse_url, find_connection, stops, on_status)
    asyncio.run(supervisor.run(consumers, shard, shards))
    return DeliveryReport(time.monotonic() - started, supervisor.delivered)


class _Supervisor:
    """Starts a task for each consumer that nobody serves, and again where one has failed."""

    def __init__(
        self,
        warehouse_url: str,
        find_connection: FindConnection,
        stops: Callable[[], bool],
        on_status: Callable[[Sequence[ConsumerInfo]], None],
    ) -> None:
        self.delivered: dict[str, int] = {}
        self._url = warehouse_url
        self._find_connection = find_connection
        self._stops = stops
        self._on_status = on_status
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._retry_at: dict[str, float] = {}

    async def run(self, consumers: Sequence[str], shard: int, shards: int) -> None:
        wait = _LOOK_SECONDS
        reported_at = time.monotonic()
        async with (
            DeliveryState(self._url, new_owner()) as state,
            StreamReader(self._url, self._stops) as reader,
        ):
            error: WarehouseError | None = None
            is_upgraded = False
            while True:
                try:
                    if not is_upgraded:
                        await asyncio.to_thread(_upgrade, self._url, consumers)
                        is_upgraded = True
                    names = await state.free(shard, shards)
                    wait, error = _LOOK_SECONDS, None
                except WarehouseError as outage:
                    log.warning("Nothing is delivered, next look in %.0f s: %s", wait, outage)
                    wait, error = min(2 * wait, _LONGEST_RETRY_SECONDS), outage
                    names = []
                if self._stops():
                    break
                if self._tasks and time.monotonic() - reported_at >= _STATUS_SECONDS:
                    await self._report()
                    reported_at = time.monotonic()
                for name in names:
                    if not consumers or name in consumers:
                        self._serve(name, state, reader)
                await self._pause(wait)
            await asyncio.gather(*self._tasks.values())
            if self._tasks:
                await self._report()
        if error is not None:
            raise error

    async def _report(self) -> None:
        try:
            found = await asyncio.to_thread(_statuses, self._url)
            served = [each for each in found if each.name in self._tasks]
            await asyncio.to_thread(self._on_status, served)
        except Exception as error:  # noqa: BLE001 - a report that fails must not stop deliveries
            log.warning("The state of the consumers is not reported: %s", error)

    def _serve(self, name: str, state: DeliveryState, reader: StreamReader) -> None:
        running = self._tasks.get(name)
        is_due = time.monotonic() >= self._retry_at.get(name, 0.0)
        if is_due and (running is None or running.done()):
            deliverer = Deliverer(
                name,
                state=state,
                reader=reader,
                find_connection=self._find_connection,
                is_stopping=self._stops,
            )
            self._tasks[name] = asyncio.create_task(self._run(name, deliverer))

    async def _run(self, name: str, deliverer: Deliverer) -> None:
        try:
            await deliverer.run()
        except WarehouseError as error:
            # Soon, as only the looks for free consumers know when it can be reached again.
            log.warning("Nothing is delivered to consumer %s: %s", name, error)
            self._retry_at[name] = time.monotonic() + _WAREHOUSE_RETRY_SECONDS
        except Exception:
            # One consumer, whatever is wrong with it, must not stop the others.
            log.exception("Consumer %s, next try in %.0f s", name, _LONGEST_RETRY_SECONDS)
            self._retry_at[name] = time.monotonic() + _LONGEST_RETRY_SECONDS
        finally:
            self.delivered[name] = self.delivered.get(name, 0) + deliverer.delivered

    async def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stops():
            await asyncio.sleep(min(seconds, 0.2))


def _statuses(warehouse_url: str) -> list[ConsumerInfo]:
    with Warehouse(warehouse_url) as warehouse:
        return warehouse.consumers.all()


def _upgrade(warehouse_url: str, consumers: Sequence[str]) -> None:
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        known = {each.name for each in warehouse.consumers.all()} if consumers else set()
    for name in consumers:
        if name not in known:
            message = f"there is no consumer {name!r}"
            raise ConsumerNotFound(message, param="consumers")
