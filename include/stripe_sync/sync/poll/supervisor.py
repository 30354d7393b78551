"""Poll: watch the Stripe events of many syncs twice a second, apply what they tell.

One process serves many syncs at once. Each has its own session, position and cadence; they share
the warehouse's connections. A sync that fails is tried again later and does not hold up others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import StripeSyncError, SyncBusy
from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.poll.cadence import Cadence
from stripe_sync.sync.poll.lease import LEASE_SECONDS, new_owner
from stripe_sync.sync.poll.poller import Poller
from stripe_sync.sync.poll.report import PollBatch, PollReport
from stripe_sync.sync.session import SharedResources, open_session, open_shared_resources
from stripe_sync.warehouse.writing.writer_pool import BatchWriterPool

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between polls."""

WRITERS = 4
"""Transactions of all syncs together that run at a time."""

NOTICE_SECONDS = 5.0
"""Seconds until it is noticed that a sync was added, paused or removed."""

RETRY_SECONDS = 30.0
"""Seconds until a sync that failed is tried again."""

_PHASES = 20
_PATIENCE = 0.5

Connect = Callable[[str], Connections]
"""Gives what a sync works with, by its name; raises ConfigurationError where there is nothing."""


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


@dataclass(slots=True)
class _Watched:
    """One sync that is polled, or is to be polled again."""

    work: asyncio.Task[None] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    poller: Poller | None = None
    error: StripeSyncError | None = None
    retry_at: float = 0.0


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
        warehouse_url: The warehouse that tells which syncs there are.
        seconds: How long.
        syncs: Names of the syncs, made when they do not exist; none for all that are active.
        shard: Poll only this part of them.
        interval: Seconds from one poll to the next; a full page is followed up at once.
        on_batch: Called after each transaction that changed something.

    Raises:
        StripeSyncError: No sync can be polled; the error of the first. As long as one can be,
            what keeps the others is logged and stands in ``stripe.sync_status``.
    """
    watch = PollSupervisor(connect, syncs, shard or Shard(), interval=interval, on_batch=on_batch)
    return asyncio.run(watch.run(warehouse_url, seconds))


class PollSupervisor:
    """Starts and stops the pollers of one process.

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
        self._watched: dict[str, _Watched] = {}
        self._started = 0
        self.report = PollReport()

    async def run(self, warehouse_url: str, seconds: float) -> PollReport:
        """Poll for so many seconds.

        Raises:
            StripeSyncError: No sync can be polled.
        """
        async with open_shared_resources(warehouse_url, self._clock) as common:
            writers = common.warehouse.writers(WRITERS, self._clock)
            keeping = asyncio.create_task(self._keep_leases(common))
            try:
                await self._supervise(common, writers, seconds)
            finally:
                await self._stop_all(common)
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                writers.close()
        return self.report

    def failing(self, name: str) -> StripeSyncError | None:
        """What keeps a sync from being polled; None for nothing."""
        watched = self._watched.get(name)
        return watched.error if watched else None

    async def _supervise(
        self, common: SharedResources, writers: BatchWriterPool, seconds: float
    ) -> None:
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0:
            names = await asyncio.to_thread(self._names, common)
            for name in self._watched.keys() - names:
                log.info("Sync %s is no longer to be polled", name)
                await self._stop(common, name)
            for name in sorted(names):
                self._watch(name, common, writers)
            running = [w.work for w in self._watched.values() if w.work]
            wait = min(left, NOTICE_SECONDS)
            if running:
                await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            else:
                await self._clock.sleep(min(wait, _PATIENCE))
            for name, watched in self._watched.items():
                await self._settle(common, name, watched)
            if error := self._hopeless():
                raise error

    def _names(self, common: SharedResources) -> set[str]:
        if self._syncs:
            return set(self._syncs)
        found = common.warehouse.syncs.all()
        return {s.name for s in found if s.status == "active" and self._shard.holds(s.name)}

    def _watch(self, name: str, common: SharedResources, writers: BatchWriterPool) -> None:
        watched = self._watched.setdefault(name, _Watched())
        if watched.work is not None or self._clock.monotonic() < watched.retry_at:
            return
        self._started += 1
        # Pollers that start together would ask together all the time.
        phase = self._interval * (self._started % _PHASES) / _PHASES
        watched.work = asyncio.create_task(self._poll(name, watched, common, writers, phase))

    async def _poll(
        self,
        name: str,
        watched: _Watched,
        common: SharedResources,
        writers: BatchWriterPool,
        phase: float,
    ) -> None:
        connections = await asyncio.to_thread(self._connect, name)
        async with open_session(connections, name, clock=self._clock, common=common) as session:
            poller = Poller(session, writers, owner=self._owner, on_batch=self._on_batch)
            await poller.start()
            try:
                watched.poller, watched.error = poller, None
                await asyncio.to_thread(common.warehouse.polls.set_message, name, None)
                cadence = Cadence(session.settings, self._interval)
                await self._keep_polling(poller, cadence, watched.stopping, phase)
            finally:
                watched.poller = None
                await poller.stop()
                self.report.add(poller.report)

    async def _keep_polling(
        self, poller: Poller, cadence: Cadence, stopping: asyncio.Event, phase: float
    ) -> None:
        """Poll at a fixed cadence: the next poll's time does not depend on how long one takes.

        However short the time is, it polls once.
        """
        clock = self._clock
        due = clock.monotonic() + phase
        while not (stopping.is_set() and poller.report.polls):
            wait = due - clock.monotonic()
            if wait > _PATIENCE and not stopping.is_set():
                await clock.sleep(_PATIENCE)
                continue
            await clock.sleep(min(wait, _PATIENCE))
            polled = await poller.poll()
            cadence.note(found=polled.found)
            now = clock.monotonic()
            due = now if polled.more else max(due + cadence.seconds, now)

    async def _settle(self, common: SharedResources, name: str, watched: _Watched) -> None:
        """Note how a poller ended, if it did."""
        if watched.work is None or not watched.work.done():
            return
        error = watched.work.exception()
        watched.work = None
        if isinstance(error, StripeSyncError):
            watched.error = error
            watched.retry_at = self._clock.monotonic() + RETRY_SECONDS
            log.warning("Sync %s cannot be polled: %s", name, error)
            if not isinstance(error, SyncBusy):
                note = partial(common.warehouse.polls.set_message, name, str(error))
                await asyncio.to_thread(note)
        elif error is not None:
            raise error

    def _hopeless(self) -> StripeSyncError | None:
        """Why nothing can be polled; None as long as one sync can be."""
        errors = [watched.error for watched in self._watched.values()]
        return errors[0] if errors and all(errors) else None

    async def _keep_leases(self, common: SharedResources) -> None:
        """Renew the leases of all pollers together."""
        while True:
            await self._clock.sleep(LEASE_SECONDS / 3)
            pollers = [w.poller for w in self._watched.values() if w.poller]
            if not pollers:
                continue
            heartbeats = [poller.heartbeat() for poller in pollers]
            try:
                held = await asyncio.to_thread(
                    common.warehouse.polls.renew_leases,
                    self._owner,
                    heartbeats,
                    seconds=LEASE_SECONDS,
                )
            except StripeSyncError as error:
                # Whoever still holds a lease finds out when it commits.
                log.warning("The leases could not be renewed: %s", error)
                continue
            for poller, heartbeat in zip(pollers, heartbeats, strict=True):
                if heartbeat.sync_id not in held:
                    poller.lose()

    async def _stop(self, common: SharedResources, name: str) -> None:
        watched = self._watched.pop(name)
        watched.stopping.set()
        if watched.work is not None:
            await asyncio.wait([watched.work])
            await self._settle(common, name, watched)

    async def _stop_all(self, common: SharedResources) -> None:
        for watched in self._watched.values():
            watched.stopping.set()
        running = [w.work for w in self._watched.values() if w.work]
        if running:
            await asyncio.wait(running)
        for name, watched in self._watched.items():
            await self._settle(common, name, watched)
