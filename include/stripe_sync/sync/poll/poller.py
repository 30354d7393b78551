"""Polling of one sync: find its new Stripe events, apply them, remember how far that came."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from stripe_sync.clock import from_unix
from stripe_sync.errors import (
    AuthenticationError,
    ConcurrentUpdate,
    ConfigurationError,
    PermissionDenied,
    StripeError,
    SyncBusy,
)
from stripe_sync.extract.event_feed import EventFeed
from stripe_sync.extract.event_pages import newest_created
from stripe_sync.records import Batch, LoadResult, PollCheckpoint, Source
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.poll.latency_histogram import latency_histogram
from stripe_sync.sync.poll.lease import LEASE_SECONDS, take_lease
from stripe_sync.sync.poll.pending_fetches import PendingFetches
from stripe_sync.sync.poll.process_events import EventProcessor, ProcessedEvents
from stripe_sync.sync.poll.report import PollBatch, Polled, PollReport
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.state.polls import Heartbeat
from stripe_sync.warehouse.writing.writer_pool import BatchWriterPool

log = logging.getLogger(__name__)

BATCH_EVENTS = 200
"""Stripe events that a transaction applies."""

RETENTION = timedelta(days=30)
"""How long Stripe keeps its events."""

_MARGIN = timedelta(hours=1)


class Poller:
    """Polls one sync under a lease, which somebody else has to renew.

    Args:
        session: The open sync.
        writers: Write to the warehouse.
        owner: Holder of the lease.
        on_batch: Called after each transaction that changed something.
    """

    def __init__(
        self,
        session: Session,
        writers: BatchWriterPool,
        *,
        owner: str,
        on_batch: Callable[[PollBatch], None] | None = None,
    ) -> None:
        self._session = session
        self._sync = session.sync
        self._writers = writers
        self._owner = owner
        self._on_batch = on_batch
        self._processor = EventProcessor(session, writers)
        self._follower = LakeFollower(session)
        self._queue = PendingFetches(session, self._processor, self._commit)
        self._event_feed = EventFeed(session.api, session.clock, cutoff=0, position=None)
        self._beside: set[asyncio.Future[object]] = set()
        self._polled_at: datetime | None = None
        self._told = PollReport()
        self._lost = False
        self.report = PollReport()

    async def start(self) -> None:
        """Take the lease and go on where polling stopped.

        Raises:
            SyncBusy: Another poller holds the lease.
            StripeError: Stripe does not tell of its newest event.
        """
        warehouse = self._session.warehouse
        await take_lease(warehouse, self._sync, self._owner, self._session.clock)
        try:
            await self._go_on()
        except BaseException:
            await asyncio.to_thread(warehouse.polls.release_lease, self._sync.id, self._owner)
            raise

    async def _go_on(self) -> None:
        session, warehouse = self._session, self._session.warehouse
        standing = await asyncio.to_thread(warehouse.polls.state, self._sync.id)
        asked_at, cutoff = session.clock.now(), standing.cutoff
        if cutoff is None:
            created = await newest_created(session.api)
            cutoff = await asyncio.to_thread(
                warehouse.polls.set_cutoff, self._sync.id, created, at=asked_at
            )
        elif standing.polled_at and asked_at - standing.polled_at > RETENTION - _MARGIN:
            await self._note_gap(standing.polled_at, asked_at)
        event_feed = EventFeed(
            session.api, session.clock, cutoff=cutoff, position=standing.position
        )
        since = from_unix(event_feed.floor)
        known = await asyncio.to_thread(warehouse.polls.processed_since, self._sync.id, since=since)
        event_feed.remember(known)
        self._event_feed = event_feed
        await self._queue.start()
        self._run_beside(asyncio.to_thread(self._tidy))

    async def _note_gap(self, began_at: datetime, ended_at: datetime) -> None:
        days = (ended_at - began_at).days
        reason = f"not polled for {days} days, and Stripe keeps its events for {RETENTION.days}"
        log.warning(
            "Sync %s was %s: stripe_reconcile will read everything again", self._sync.name, reason
        )
        note_gap = self._session.warehouse.gaps.open
        await asyncio.to_thread(
            note_gap, self._sync.id, began_at=began_at, ended_at=ended_at, reason=reason
        )

    def _tidy(self) -> None:
        warehouse, now = self._session.warehouse, self._session.clock.now()
        warehouse.polls.prune_processed_events(self._sync.id, now)
        warehouse.read_allotment.count_transactions(self._sync.id, now)

    async def poll(self) -> Polled:
        """Poll once and apply what is new.

        Raises:
            AuthenticationError: Stripe refuses the key.
            PermissionDenied: The key may not read Stripe events.
            SyncBusy: Another poller took the lease over.
            LakeError: The lake cannot be written.
        """
        self._check()
        self.report.polls += 1
        try:
            found = await self._event_feed.look()
        except (AuthenticationError, PermissionDenied, ConfigurationError):
            raise
        except StripeError as error:
            # Nothing was applied, so nothing is lost: the next poll asks for the same again.
            self.report.failures += 1
            log.warning("Poll of %s failed, trying again: %s", self._sync.name, error)
            return Polled(found=False, more=False)
        for start in range(0, len(found.events), BATCH_EVENTS):
            await self._apply(found.events[start : start + BATCH_EVENTS], found.answered_at)
        if not found.behind:
            self._polled_at = found.asked_at
        if self._follower.due() and not self._beside:
            self._run_beside(asyncio.to_thread(self._follower.flush))
        found_any = bool(found.events)
        return Polled(found_any, more=found.behind or len(found.events) >= BATCH_EVENTS)

    async def _apply(self, events: list[JsonObject], answered_at: datetime) -> None:
        while True:
            applied = await self._processor.apply(events, answered_at, backlog=bool(self._queue))
            failed = {event["id"] for event in applied.failed}
            done = [event for event in events if event["id"] not in failed]
            self._event_feed.note(events, applied.failed)
            try:
                await self._commit(applied, done)
                break
            except ConcurrentUpdate as error:
                # A newer state was fetched since the snapshots were judged: they are once more.
                log.info("Applying Stripe events of %s again: %s", self._sync.name, error)
        self._event_feed.know(events)

    async def _commit(
        self, applied: ProcessedEvents, done: list[JsonObject] | None = None
    ) -> LoadResult:
        """Store observations and how far polling has come, in one transaction.

        Args:
            applied: The observations.
            done: The Stripe events that they stand for; None where they only follow up on some.
        """
        await self._note_forbidden(applied)
        now = self._session.clock.now()
        lags = [(now - from_unix(event["created"])).total_seconds() for event in done or ()]
        batch = Batch(
            sync_id=self._sync.id,
            resource_id=self._sync.resource_id,
            source=Source.POLL,
            observations=applied.observations,
            poll=PollCheckpoint(
                position=None if done is None else self._event_feed.position,
                stripe_events=len(lags),
                lags=latency_histogram(lags),
                waiting=applied.waiting,
                fetched=applied.fetched if self._queue else (),
                owner=self._owner,
            ),
            expected_hashes=applied.expected_hashes,
        )
        result = await asyncio.to_thread(self._writers.load, batch)
        self._queue.note(applied, self._session.clock.now())
        self._follower.note(result.events)
        told = PollBatch(self._sync.name, len(lags), result.events, lags, len(self._queue))
        self.report.count(told)
        if self._on_batch and result.events:
            self._on_batch(told)
        return result

    async def _note_forbidden(self, applied: ProcessedEvents) -> None:
        for collection_id, error in applied.forbidden.items():
            await asyncio.to_thread(
                self._session.warehouse.collections.finish,
                self._sync.id,
                collection_id,
                "forbidden",
                str(error),
                permission=error.permission,
            )

    def _run_beside(self, work: Awaitable[object]) -> None:
        self._beside.add(asyncio.ensure_future(work))

    def _check(self) -> None:
        """Raise what went wrong beside polling."""
        if self._lost:
            message = f"sync {self._sync.name} was taken over by another poller"
            raise SyncBusy(message)
        self._queue.check()
        for work in [work for work in self._beside if work.done()]:
            self._beside.discard(work)
            work.result()

    def lose(self) -> None:
        """Note that another poller holds the lease now."""
        self._lost = True

    def heartbeat(self) -> Heartbeat:
        """What this did since the last beat."""
        stats, report, told = self._session.api.stats, self.report, self._told
        report.requests, report.rate_limited = stats.requests, stats.rate_limited
        heartbeat = Heartbeat(
            sync_id=self._sync.id,
            polls=report.polls - told.polls,
            requests=report.requests - told.requests,
            rate_limited=report.rate_limited - told.rate_limited,
            polled_at=self._polled_at,
        )
        told.polls, told.requests = report.polls, report.requests
        told.rate_limited = report.rate_limited
        return heartbeat

    async def stop(self) -> None:
        """Note the counts, write what is left to the lake, give the lease back."""
        warehouse = self._session.warehouse
        await self._event_feed.aclose()
        await self._queue.stop()
        await asyncio.gather(*self._beside, return_exceptions=True)
        try:
            heartbeats = [self.heartbeat()]
            await asyncio.to_thread(
                warehouse.polls.renew_leases, self._owner, heartbeats, seconds=LEASE_SECONDS
            )
            await asyncio.to_thread(self._follower.flush)
        finally:
            await asyncio.to_thread(warehouse.polls.release_lease, self._sync.id, self._owner)
