"""Poll many syncs in one process, twice a second each.

Each sync has its own session, cursor and cadence; all share the warehouse's connections. When a
sync fails, it is tried again after growing waits, and the others are polled meanwhile. An outage of
Stripe, of the warehouse or of the lake is waited out, however long it lasts. A run ends early only
when every sync has an error that waiting cannot cure, such as a revoked key.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import (
    PERMANENT,
    WarehouseError,
)
from stripe_sync.records import ids
from stripe_sync.sync.event_loop import run_to_end
from stripe_sync.sync.poll.lease import LEASE_SECONDS
from stripe_sync.sync.poll.outage import Outage
from stripe_sync.sync.poll.polled_sync import (
    STOP_SECONDS,
    Connect,
    PolledSync,
    PollerParts,
    wait_until_stopped,
)
from stripe_sync.sync.poll.report import PollBatch, PollHealth, PollReport
from stripe_sync.sync.session import SharedResources, open_shared_resources
from stripe_sync.warehouse.leases import new_owner
from stripe_sync.warehouse.state.syncs import NEW_REVISION

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between polls."""

WRITERS = 4
"""Transactions of all syncs together that run at a time."""

KEPT_OPEN = 10
"""Connections of the warehouse's pool that stay open: opening one costs more than its queries."""

SYNC_LIST_SECONDS = 5.0
"""Seconds until a sync that was added, paused or removed is started or stopped."""

_START_PHASES = 20
_CHECK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of all syncs.

    Attributes:
        number: Which part, from 0.
        count: How many parts there are.
    """

    number: int = 0
    count: int = 1

    def holds(self, sync_name: str) -> bool:
        """Whether a sync belongs to this part."""
        return ids.sync_id(sync_name).int % self.count == self.number


def poll_for(
    connect: Connect,
    warehouse_url: str,
    *,
    seconds: float,
    syncs: Sequence[str] = (),
    shard: Shard | None = None,
    interval: float = INTERVAL,
    on_batch: Callable[[PollBatch], None] | None = None,
) -> PollReport:
    """Poll syncs for a while.

    Args:
        connect: How to reach Stripe, warehouse and lake for a sync.
        warehouse_url: The warehouse, which has the list of syncs.
        seconds: How long.
        syncs: Names of the syncs, made when they do not exist; none for all that are active.
        shard: Poll only this part of them.
        interval: Seconds from one poll to the next; a full page is followed up at once.
        on_batch: Called after each transaction that changed something.

    Raises:
        StripeSyncError: No sync can be polled, which waiting cannot cure, or none could be at the
            end; the error of the first. As long as one can be, the errors of the others are
            logged and stored for ``stripe.poll_status``.
    """
    supervisor = PollSupervisor(
        connect, syncs, shard or Shard(), interval=interval, on_batch=on_batch
    )
    return run_to_end(supervisor.run(warehouse_url, seconds))


class PollSupervisor:
    """Starts, stops and restarts the pollers of one process.

    ``health`` and ``stop`` may be called from any thread.

    Args:
        connect: How to reach Stripe, warehouse and lake for a sync.
        syncs: Names of the syncs; none for all that are active.
        shard: Which part of them.
        interval: Seconds from one poll to the next.
        on_batch: Called after each transaction that changed something.
        clock: Counts the seconds.
    """

    def __init__(
        self,
        connect: Connect,
        syncs: Sequence[str],
        shard: Shard,
        *,
        interval: float = INTERVAL,
        on_batch: Callable[[PollBatch], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._connect = connect
        self._syncs = tuple(syncs)
        self._shard = shard
        self._interval = interval
        self._on_batch = on_batch
        self._clock = clock or SystemClock()
        self._owner = new_owner()
        self._started_pollers = 0
        self._stop_requested = asyncio.Event()
        # Guards what other threads read: the fields below, and the event above without a loop.
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._polled: dict[str, PolledSync] = {}
        self._removed = PollReport()
        self._removed_polled_at: datetime | None = None
        self._error: Exception | None = None
        self._outage = Outage()

    async def run(self, warehouse_url: str, seconds: float = math.inf) -> PollReport:
        """Poll for so many seconds, or until ``stop`` is called.

        Raises:
            StripeSyncError: As for ``poll_for``.
        """
        with self._lock:
            self._loop = asyncio.get_running_loop()
        try:
            await self._run(warehouse_url, seconds)
        except Exception as error:
            self._error = error
            raise
        finally:
            with self._lock:
                self._loop = None
        return self.health().report

    def stop(self) -> None:
        """Let ``run`` end: pollers finish what is under way and release their leases."""
        with self._lock:
            if self._loop is None:
                self._stop_requested.set()
            else:
                self._loop.call_soon_threadsafe(self._stop_requested.set)

    def health(self) -> PollHealth:
        """State of polling now."""
        report = PollReport()
        with self._lock:
            running, polled = self._loop is not None, dict(self._polled)
            report.add(self._removed)
            removed_polled_at = self._removed_polled_at
        errors = {}
        for name, sync in polled.items():
            report.add(sync.report)
            if error := sync.error:
                errors[name] = str(error)
        return PollHealth(
            running=running,
            error=self._error,
            syncs=len(polled),
            failing=errors,
            last_poll_at=_latest(removed_polled_at, *(sync.polled_at for sync in polled.values())),
            report=report,
            warehouse_error=str(self._outage.error) if self._outage.error else None,
        )

    async def _run(self, warehouse_url: str, seconds: float) -> None:
        limit = None if math.isinf(seconds) else seconds + 2 * STOP_SECONDS
        try:
            async with asyncio.timeout(limit) as deadline:
                await self._poll_all(warehouse_url, seconds)
        except TimeoutError:
            if not deadline.expired():
                raise
            log.exception("Polling did not end in time and was cancelled")

    async def _poll_all(self, warehouse_url: str, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        async with AsyncExitStack() as stack:
            shared = await self._open_warehouse(stack, warehouse_url, end)
            writer = shared.warehouse.writer(connections=WRITERS)
            parts = PollerParts(
                connect=self._connect,
                shared=shared,
                writer=writer,
                owner=self._owner,
                interval=self._interval,
                on_batch=self._on_batch,
                clock=self._clock,
            )
            renewing = asyncio.create_task(self._renew_leases(shared))
            try:
                await self._supervise(parts, end)
                await self._stop_all()
                self._raise_if_none_polled()
            finally:
                await self._stop_all()
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
                writer.close()

    async def _open_warehouse(
        self, stack: AsyncExitStack, warehouse_url: str, end: float
    ) -> SharedResources:
        """Open the warehouse; wait for it while it cannot be reached.

        Raises:
            WarehouseError: It cannot be reached when the run ends.
        """
        while True:
            try:
                resources = open_shared_resources(warehouse_url, self._clock, kept_open=KEPT_OPEN)
                shared = await stack.enter_async_context(resources)
            except WarehouseError as error:
                now = self._clock.monotonic()
                wait = min(self._outage.add(error, now), end - now)
                if wait <= 0 or self._stop_requested.is_set():
                    raise
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop_requested.wait(), wait)
            else:
                self._outage.end()
                return shared

    async def _supervise(self, parts: PollerParts, end: float) -> None:
        # However long the warehouse took to open, each sync is tried once.
        left, listed = max(0.0, end - self._clock.monotonic()), dict[str, object]()
        while left >= 0 and not self._stop_requested.is_set():
            listed = await self._list_syncs(parts.shared, listed)
            for name, sync in list(self._polled.items()):
                if name not in listed or sync.revision != listed[name]:
                    log.info("Sync %s was changed, paused or removed: its poller ends", name)
                    await self._stop_poller(name)
            for name in sorted(listed):
                self._start_poller(name, parts, listed[name])
            await self._wait(min(left, SYNC_LIST_SECONDS))
            for sync in self._polled.values():
                await sync.record_end()
            self._raise_if_none_can_be_polled()
            left = end - self._clock.monotonic()

    async def _list_syncs(
        self, shared: SharedResources, known: dict[str, object]
    ) -> dict[str, object]:
        """The syncs to poll; those known before while the warehouse does not answer."""
        now = self._clock.monotonic()
        if not self._outage.backoff.is_due(now):
            return known
        try:
            listed = await asyncio.to_thread(self._syncs_to_poll, shared)
        except WarehouseError as error:
            self._outage.add(error, now)
            return known
        if self._outage.end():
            for sync in self._polled.values():
                if isinstance(sync.error, WarehouseError):
                    sync.backoff.reset()
        return listed

    def _syncs_to_poll(self, shared: SharedResources) -> dict[str, object]:
        """Names of the syncs to poll, each with what its poller must be restarted for."""
        stored = {sync.name: sync for sync in shared.warehouse.syncs.all()}
        names = self._syncs or [s.name for s in stored.values() if s.status == "active"]
        return {
            name: stored[name].revision if name in stored else NEW_REVISION
            for name in names
            if self._shard.holds(name)
        }

    async def _wait(self, seconds: float) -> None:
        """Wait until a poller ends or ``stop`` is called, at most so many seconds."""
        tasks = [sync.task for sync in self._polled.values() if sync.task]
        stop = asyncio.create_task(self._stop_requested.wait())
        timeout = seconds if tasks else min(seconds, _CHECK_SECONDS)
        try:
            await asyncio.wait([*tasks, stop], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()

    def _start_poller(self, name: str, parts: PollerParts, revision: object) -> None:
        """Start the poller of a sync, unless it runs or its next try is not due."""
        with self._lock:
            sync = self._polled.setdefault(name, PolledSync(name, parts, revision))
        if sync.is_due():
            self._started_pollers += 1
            # Pollers that start together would send their requests together all the time.
            sync.start(self._interval * (self._started_pollers % _START_PHASES) / _START_PHASES)

    def _raise_if_none_can_be_polled(self) -> None:
        """Raise the error of the first sync if waiting cures none of them."""
        polled = self._polled.values()
        if polled and all(s.task is None and isinstance(s.error, PERMANENT) for s in polled):
            self._raise_if_none_polled()

    def _raise_if_none_polled(self) -> None:
        """Raise the error of the first sync, unless one of the syncs is being polled."""
        errors = [sync.error for sync in self._polled.values()] or [self._outage.error]
        if all(errors) and errors[0]:
            raise errors[0]

    async def _renew_leases(self, shared: SharedResources) -> None:
        """Renew the leases of all pollers in one statement, and store their counts with it."""
        while True:
            await self._clock.sleep(LEASE_SECONDS / 3)
            pollers = [sync.poller for sync in self._polled.values() if sync.poller]
            if not pollers:
                continue
            try:
                heartbeats = [poller.heartbeat() for poller in pollers]
                renewed = await asyncio.to_thread(
                    shared.warehouse.polls.renew_leases,
                    self._owner,
                    heartbeats,
                    seconds=LEASE_SECONDS,
                )
            except Exception as error:  # noqa: BLE001 - the next one is tried whatever it is
                # Commits check the lease, so a poller that lost it stops at its next commit.
                log.warning("The leases could not be renewed: %s", error)
                continue
            for poller, heartbeat in zip(pollers, heartbeats, strict=True):
                if heartbeat.sync_id not in renewed:
                    poller.mark_lease_lost()

    async def _stop_poller(self, name: str) -> None:
        sync = self._polled[name]
        sync.ask_to_stop()
        await wait_until_stopped([sync])
        with self._lock:
            del self._polled[name]
            self._removed.add(sync.report)
            self._removed_polled_at = _latest(self._removed_polled_at, sync.polled_at)
        await sync.record_end()

    async def _stop_all(self) -> None:
        polled = list(self._polled.values())
        for sync in polled:
            sync.ask_to_stop()
        await wait_until_stopped(polled)
        for sync in polled:
            await sync.record_end()


def _latest(*times: datetime | None) -> datetime | None:
    return max((each for each in times if each), default=None)
