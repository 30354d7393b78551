"""Poll: watch Stripe events twice a second, apply what they tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from stripe_sync.clock import from_unix
from stripe_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    PermissionDenied,
    StripeError,
)
from stripe_sync.extract.stripe_events import fresh_events, newest_created
from stripe_sync.jsonio import JsonObject
from stripe_sync.sync.apply import Applier
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.lease import PollLease
from stripe_sync.sync.session import Session, open_session
from stripe_sync.warehouse.model import Batch, LoadResult, Observation, PollCheckpoint, Source

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between polls."""

OVERLAP = 600
"""Seconds that are looked back for Stripe events that appear late."""

DEEP_EVERY = 30.0
"""Seconds between polls that read the whole overlap, however many pages it has."""

BATCH_EVENTS = 200
"""Stripe events that a transaction applies."""


@dataclass(frozen=True, slots=True)
class PollBatch:
    """What one transaction of a poller applied.

    Attributes:
        stripe_events: Stripe events in it.
        changes: Change events written.
        lags: Seconds from each Stripe event's creation to the commit.
    """

    stripe_events: int
    changes: int
    lags: list[float]


@dataclass(slots=True)
class PollReport:
    """What a poller did.

    Attributes:
        polls: Polls made.
        requests: Requests made, fetches included.
        stripe_events: Stripe events applied.
        changes: Change events written.
        failures: Polls that failed and were tried again.
        lags: Seconds from a Stripe event's creation to the commit, newest 1,000.
    """

    polls: int = 0
    requests: int = 0
    stripe_events: int = 0
    changes: int = 0
    failures: int = 0
    lags: list[float] = field(default_factory=list)


def poll_for(
    connections: Connections,
    sync_name: str,
    *,
    seconds: float,
    interval: float = INTERVAL,
    on_batch: Callable[[PollBatch], None] | None = None,
) -> PollReport:
    """Poll one sync for a while.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync; made when it does not exist.
        seconds: How long.
        interval: Seconds from one poll to the next; a full page is followed up at once.
        on_batch: Called after each transaction that changed something.

    Raises:
        AuthenticationError: Stripe refuses the key.
        PermissionDenied: The key may not read Stripe events.
        SyncBusy: Another poller holds the sync.
        StripeSyncError: As ``open_session`` raises it.
    """
    return asyncio.run(_poll_for(connections, sync_name, seconds, interval, on_batch))


async def _poll_for(
    connections: Connections,
    sync_name: str,
    seconds: float,
    interval: float,
    on_batch: Callable[[PollBatch], None] | None,
) -> PollReport:
    async with open_session(connections, sync_name) as session:
        poller = Poller(session, on_batch)
        await poller.start()
        try:
            await _keep_polling(poller, session, seconds, interval)
        finally:
            await poller.stop()
        return poller.report


async def _keep_polling(poller: Poller, session: Session, seconds: float, interval: float) -> None:
    """Poll at a fixed cadence: the next poll's time does not depend on how long one takes."""
    clock = session.clock
    end = clock.monotonic() + seconds
    due = clock.monotonic()
    while due < end:
        await clock.sleep(due - clock.monotonic())
        more = await poller.poll()
        due = clock.monotonic() if more else max(due + interval, clock.monotonic())


class Poller:
    """Polls one sync under a lease.

    Args:
        session: The open sync.
        on_batch: Called after each transaction that changed something.
    """

    def __init__(
        self, session: Session, on_batch: Callable[[PollBatch], None] | None = None
    ) -> None:
        self._session = session
        self._on_batch = on_batch
        self._lease = PollLease(session)
        self._applier = Applier(session)
        self._follower = LakeFollower(session)
        self._loader = session.warehouse.loader()
        self._fence = 0
        self._watermark = 0
        self._failing_since: int | None = None
        self._known: dict[str, int] = {}
        self._deep_at = float("-inf")
        self._counted_polls = 0
        self._counted_requests = 0
        self.report = PollReport()

    async def start(self) -> None:
        """Take the lease and go on where polling stopped.

        Raises:
            SyncBusy: Another poller holds the lease.
        """
        warehouse, sync = self._session.warehouse, self._session.sync
        await self._lease.take()
        warehouse.prune_ledger(sync.id, self._session.clock.now())
        fence = warehouse.fence(sync.id)
        if fence is None:
            fence = warehouse.set_fence(sync.id, await newest_created(self._session.api))
        self._fence = fence
        position = warehouse.poll_position(sync.id) or {}
        self._watermark = max(position.get("watermark", 0), fence)
        self._failing_since = position.get("failing_since")
        self._known = warehouse.known_stripe_events(sync.id, since=from_unix(self._floor()))

    def _floor(self) -> int:
        """Nothing created earlier is looked for."""
        floor = self._watermark - OVERLAP
        if self._failing_since is not None:
            floor = min(floor, self._failing_since)
        return max(floor, self._fence)

    async def poll(self) -> bool:
        """Poll once and apply what is new.

        Returns:
            Whether there is probably more at once.

        Raises:
            AuthenticationError: Stripe refuses the key.
            PermissionDenied: The key may not read Stripe events.
            SyncBusy: Another poller took the lease over.
        """
        clock = self._session.clock
        self._lease.keep()
        deep = clock.monotonic() - self._deep_at >= DEEP_EVERY
        self.report.polls += 1
        try:
            found = await fresh_events(
                self._session.api, clock, known=self._known, floor=self._floor(), deep=deep
            )
        except (AuthenticationError, PermissionDenied, ConfigurationError):
            raise
        except StripeError as error:
            # Nothing was applied, so nothing is lost: the next poll asks for the same again.
            self.report.failures += 1
            log.warning("Poll failed, trying again: %s", error)
            return False
        if deep:
            self._deep_at = clock.monotonic()
        for start in range(0, len(found.events), BATCH_EVENTS):
            await self._apply(found.events[start : start + BATCH_EVENTS])
        if self._follower.due():
            await asyncio.to_thread(self._follower.flush)
        return found.full

    async def _apply(self, events: list[JsonObject]) -> None:
        applied = await self._applier.apply(events)
        for collection_id, error in applied.forbidden.items():
            self._session.warehouse.finish_collection(
                self._session.sync.id,
                collection_id,
                "forbidden",
                str(error),
                permission=error.permission,
            )
        failed = {event["id"] for event in applied.failed}
        done = [event for event in events if event["id"] not in failed]
        self._watermark = max([self._watermark, *(int(event["created"]) for event in done)])
        self._failing_since = min((int(e["created"]) for e in applied.failed), default=None)
        result = await self._commit(applied.observations, len(done))
        self._known |= {event["id"]: int(event["created"]) for event in done}
        self._forget()
        self._note(done, result.events)

    async def _commit(self, observations: list[Observation], stripe_events: int) -> LoadResult:
        """Apply observations and note how far polling has come, in one transaction."""
        requests = self._session.api.stats.requests
        batch = Batch(
            sync_id=self._session.sync.id,
            resource_id=self._session.sync.resource_id,
            source=Source.POLL,
            observations=observations,
            poll=PollCheckpoint(
                position={"watermark": self._watermark, "failing_since": self._failing_since},
                polls=self.report.polls - self._counted_polls,
                requests=requests - self._counted_requests,
                stripe_events=stripe_events,
                owner=self._lease.owner,
            ),
        )
        result = await asyncio.to_thread(self._loader.load, batch)
        self._counted_polls, self._counted_requests = self.report.polls, requests
        return result

    def _forget(self) -> None:
        """Drop ids that are too old to be looked for again."""
        floor = self._floor()
        self._known = {key: created for key, created in self._known.items() if created >= floor}

    def _note(self, done: list[JsonObject], changes: int) -> None:
        now = self._session.clock.now()
        lags = [(now - from_unix(event["created"])).total_seconds() for event in done]
        self.report.stripe_events += len(done)
        self.report.changes += changes
        self.report.lags = (self.report.lags + lags)[-1000:]
        self._follower.note(changes)
        if self._on_batch and changes:
            self._on_batch(PollBatch(len(done), changes, lags))

    async def stop(self) -> None:
        """Note the counts, write what is left to the lake, give the lease back."""
        self.report.requests = self._session.api.stats.requests
        try:
            await self._commit([], 0)
            await asyncio.to_thread(self._follower.flush)
        finally:
            self._lease.release()
            self._loader.close()
