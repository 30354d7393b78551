"""Poll one sync: fetch its new Stripe events, process them, commit how far that came."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from itertools import count

from stripe_sync.client import Priority
from stripe_sync.clock import from_unix
from stripe_sync.errors import (
    AccountDisconnected,
    AuthenticationError,
    ConcurrentUpdate,
    ConfigurationError,
    MalformedObject,
    PermissionDenied,
    StripeError,
    StripeSyncError,
    SyncBusy,
)
from stripe_sync.extract.event_feed import EventFeed, newest_created
from stripe_sync.extract.refusals import Refusals, by_collection, in_part
from stripe_sync.records import (
    Batch,
    CollectionStatus,
    LoadResult,
    PendingFetch,
    PollCheckpoint,
    Source,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.poll.events.changed_object import ProcessedEvents, locator_of
from stripe_sync.sync.poll.events.failed_events import FailedEvents
from stripe_sync.sync.poll.events.pending_fetches import PendingFetches
from stripe_sync.sync.poll.events.process_events import EventProcessor
from stripe_sync.sync.poll.lease import LEASE_SECONDS, acquire_lease
from stripe_sync.sync.poll.report import PollBatch, PollReport, PollResult, latency_histogram
from stripe_sync.sync.refetch import REFETCHES
from stripe_sync.sync.session import Session
from stripe_sync.sync.set_aside import retry_set_aside, taken
from stripe_sync.warehouse.state.polls import Heartbeat
from stripe_sync.warehouse.state.retention_gaps import RETENTION, is_gap
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

log = logging.getLogger(__name__)

BATCH_EVENTS = 200
"""Stripe events that one transaction applies."""

_FINAL = (AuthenticationError, PermissionDenied, AccountDisconnected, ConfigurationError)
"""Errors of a poll that the next one would meet again."""


class _ProcessingFailed(Exception):
    """Stripe events broke the code that processes them."""


class Poller:
    """Polls one sync under a lease, which the supervisor renews.

    Args:
        session: The open sync.
        writer: Writes to the warehouse.
        owner: Owner of the lease.
        on_batch: Called after each transaction that changed something.
        report: Totals to add to; None for new ones.

    Attributes:
        quiet_seconds: Seconds from the newest Stripe event to the start; 0 where nobody knows.
    """

    def __init__(
        self,
        session: Session,
        writer: BatchWriter,
        *,
        owner: str,
        on_batch: Callable[[PollBatch], None] | None = None,
        report: PollReport | None = None,
    ) -> None:
        self._session = session
        self._sync = session.sync
        self._writer = writer
        self._owner = owner
        self._on_batch = on_batch
        self._refusals = Refusals(final_only=True)
        self._processor = EventProcessor(session, self._refusals)
        self._lake_follower = LakeFollower(session)
        # The changes of pending objects are stored; those of others are not yet, so they go first.
        waiting = EventProcessor(session, self._refusals, Priority.BACKFILL)
        self._pending_fetches = PendingFetches(session, waiting, self._commit)
        self._event_feed = EventFeed(session.api, session.clock, cutoff=0)
        self._failed_events = FailedEvents(session.clock)
        self._retry: asyncio.Task[None] | None = None
        self._background_tasks: set[asyncio.Future[object]] = set()
        self._polled_at: datetime | None = None
        self._events_until: datetime | None = None
        # Of the last poller; None from the first answer on.
        self._resumed_from: datetime | None = None
        self._lease_lost = False
        # Stripe events that are older have no lag: nobody polled yet.
        self._first_poll = 0
        self._polls = 0
        self._counted = (0, 0, 0)
        self.quiet_seconds = 0.0
        self.report = report or PollReport()

    async def start(self) -> None:
        """Acquire the lease and continue where polling stopped.

        Raises:
            SyncBusy: Another poller holds the lease.
            StripeError: The newest Stripe event, which a first poll starts from, cannot be read.
        """
        warehouse = self._session.warehouse
        await acquire_lease(warehouse, self._sync, self._owner, self._session.clock)
        try:
            await self._resume()
        except BaseException:
            await asyncio.to_thread(warehouse.polls.release_lease, self._sync.id, self._owner)
            raise

    async def poll(self) -> PollResult:
        """Poll once and apply the new Stripe events.

        Raises:
            AuthenticationError: Stripe refuses the key.
            PermissionDenied: The key may not read Stripe events.
            AccountDisconnected: It has no access to the connected account.
            SyncBusy: Another poller took the lease over.
            LakeError: The lake cannot be written.
        """
        self._raise_background_errors()
        self._polls += 1
        self.report.polls += 1
        try:
            batch = await self._event_feed.fetch_new()
        except _FINAL:
            raise
        except StripeError as error:
            # Nothing was applied, so nothing is lost: the next poll reads the same again.
            self.report.failures += 1
            log.warning("Poll of %s failed, trying again: %s", self._sync.name, error)
            return PollResult(error=error)
        await self._note_gaps(from_unix(batch.stripe_date))
        events = self._processor.in_order(batch.events)
        if not events and self._session.context.requester.set_aside:
            await self._commit(ProcessedEvents([]))
        for start in range(0, len(events), BATCH_EVENTS):
            await self._apply(events[start : start + BATCH_EVENTS], batch.answered_at)
        if not batch.behind:
            self._polled_at = batch.asked_at
            self._events_until = from_unix(batch.stripe_date)
        self._retry_failed_events()
        if self._lake_follower.is_due() and not self._background_tasks:
            self._run_in_background(asyncio.to_thread(self._lake_follower.flush))
        return PollResult(
            answered_at=batch.answered_at,
            found=bool(batch.events),
            more=batch.behind or len(batch.events) >= BATCH_EVENTS,
        )

    def mark_lease_lost(self) -> None:
        """Let the next poll raise ``SyncBusy``: another poller holds the lease."""
        self._lease_lost = True

    def heartbeat(self) -> Heartbeat:
        """Counts since the last heartbeat; adds the requests among them to the report."""
        stats = self._session.api.stats
        counts = (self._polls, stats.requests, stats.rate_limited)
        polls, requests, rate_limited = (
            count - counted for count, counted in zip(counts, self._counted, strict=True)
        )
        self._counted = counts
        self.report.requests += requests
        self.report.rate_limited += rate_limited
        return Heartbeat(
            sync_id=self._sync.id,
            polls=polls,
            requests=requests,
            rate_limited=rate_limited,
            polled_at=self._polled_at,
            events_until=self._events_until,
        )

    async def stop(self) -> None:
        """Store the counts, write the remaining changes to the lake, release the lease."""
        warehouse = self._session.warehouse
        await self._event_feed.aclose()
        await self._pending_fetches.stop()
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)
        await asyncio.gather(*self._background_tasks, return_exceptions=True)
        try:
            heartbeats = [self.heartbeat()]
            await asyncio.to_thread(
                warehouse.polls.renew_leases, self._owner, heartbeats, seconds=LEASE_SECONDS
            )
            await asyncio.to_thread(self._lake_follower.flush_if_due)
        finally:
            await asyncio.to_thread(warehouse.polls.release_lease, self._sync.id, self._owner)

    async def _resume(self) -> None:
        session, polls = self._session, self._session.warehouse.polls
        state = await asyncio.to_thread(polls.state, self._sync.id)
        cutoff, self._resumed_from = state.cutoff, state.events_until
        if not state.polled:
            self._first_poll = int(session.api.stripe_clock.now())
        if cutoff is None:
            asked_at = from_unix(session.api.stripe_clock.now())
            created = await newest_created(session.api)
            cutoff = await asyncio.to_thread(polls.set_cutoff, self._sync.id, created, at=asked_at)
            self._resumed_from = asked_at
        cursor = state.cursor or {}
        event_feed = EventFeed(
            session.api,
            session.clock,
            cutoff=cutoff,
            watermark=cursor.get("watermark"),
            missed_since=cursor.get("failing_since"),
            set_aside=session.context.requester.set_aside,
        )
        since = from_unix(event_feed.lookback_start)
        processed = await asyncio.to_thread(polls.processed_since, self._sync.id, since=since)
        for name in cursor.get("unfinished", ()):
            processed.pop(name, None)
        event_feed.add_processed(processed)
        self._event_feed = event_feed
        now = session.clock.now()
        newest = await asyncio.to_thread(
            polls.newest_stripe_event, self._sync.id, polled_since=now - timedelta(hours=1)
        )
        self.quiet_seconds = (now - newest).total_seconds() if newest else 0.0
        await self._pending_fetches.start()
        await retry_set_aside(session, self._writer, self._apply_again)
        self._run_in_background(asyncio.to_thread(self._prune))

    async def _apply_again(self, events: list[JsonObject]) -> None:
        """Apply Stripe events that were set aside; also without any, to store what still is."""
        if events:
            await self._apply(self._processor.in_order(events), self._session.clock.now())
        elif self._session.context.requester.set_aside:
            await self._commit(ProcessedEvents([]))

    async def _note_gaps(self, now: datetime) -> None:
        """After the first answer: record which Stripe events are missing, by Stripe's clock.

        Reconcile reads everything again then.
        """
        began_at, self._resumed_from = self._resumed_from, None
        if began_at is None:
            return
        gaps, sync_id = self._session.warehouse.gaps, self._sync.id
        await asyncio.to_thread(gaps.end, sync_id, ended_at=now)
        if not is_gap(began_at, now):
            return
        days = (now - began_at).days
        reason = f"not polled for {days} days, and Stripe keeps its events for {RETENTION.days}"
        log.warning(
            "Sync %s was %s: stripe_reconcile will read everything again", self._sync.name, reason
        )
        await asyncio.to_thread(gaps.open, sync_id, began_at=began_at, ended_at=now, reason=reason)

    def _prune(self) -> None:
        """Delete what has left retention, count transactions for Stripe's read allotment."""
        warehouse, now = self._session.warehouse, self._session.clock.now()
        warehouse.polls.prune_processed_events(self._sync.id, now)
        if self._session.api.is_stripe:
            warehouse.transactions.count_transactions(self._sync.id, now)

    async def _apply(self, events: list[JsonObject], answered_at: datetime) -> None:
        """Apply Stripe events; one that cannot be processed costs only itself."""
        try:
            await self._apply_together(events, answered_at)
        except _ProcessingFailed as failure:
            error = failure.__cause__
            middle = len(events) // 2
            if middle:
                await self._apply(events[:middle], answered_at)
                await self._apply(events[middle:], answered_at)
                return
            log.error("A Stripe event of %s is set aside", self._sync.name, exc_info=error)
            reason = f"{type(error).__name__}: {error}"
            self._processor.set_aside(events[0], reason, observed_at=answered_at)
            self._event_feed.mark_seen(events)
            await self._commit(ProcessedEvents([]), cursor=self._cursor())
            self._event_feed.mark_committed(events)

    def _hold_back(self, events: list[JsonObject]) -> list[JsonObject]:
        """Let events wait behind failed ones of their objects; returns the others."""
        waiting = self._failed_events.add_later(events)
        self._event_feed.mark_seen(waiting)
        self._event_feed.mark_committed(waiting)
        names = {event["id"] for event in waiting}
        return [event for event in events if event["id"] not in names]

    async def _apply_together(self, events: list[JsonObject], answered_at: datetime) -> None:
        events = self._hold_back(events)
        if not events:
            return
        for attempt in count():
            try:
                # A list of a thousand pages would keep other events waiting: it is read beside
                # the polls, like what failed.
                processed = await self._processor.process(events, answered_at, postpone_long=True)
            except MalformedObject as error:
                raise _ProcessingFailed from error
            except StripeSyncError:
                raise
            except Exception as error:
                raise _ProcessingFailed from error
            self._event_feed.mark_seen(events)
            self._failed_events.update(events, processed.failed, processed.unfinished)
            try:
                await self._commit(
                    processed,
                    _stored(events, processed),
                    self._cursor(),
                    refetch=attempt < REFETCHES,
                )
                break
            except ConcurrentUpdate as error:
                # Another process stored a state meanwhile: fetch the present one.
                log.info("Applying Stripe events of %s again: %s", self._sync.name, error)
        self._event_feed.mark_committed(events)

    def _cursor(self) -> JsonObject:
        """Where a later poller continues."""
        return {"watermark": self._event_feed.watermark, **self._failed_events.cursor}

    def _retry_failed_events(self) -> None:
        """Try failed events again, while polling goes on."""
        if self._retry is not None and self._retry.done():
            retry, self._retry = self._retry, None
            retry.result()
        if self._retry is None and (due := self._failed_events.due()):
            self._retry = asyncio.create_task(self._retry_events(due))

    async def _retry_events(self, events: list[JsonObject]) -> None:
        events = self._processor.in_order(events)
        try:
            now = self._session.clock.now()
            overdue = self._failed_events.overdue(self._session.api.stripe_clock.now())
            processed = await self._processor.process(events, now, overdue=overdue)
            # The cursor stays: until the next batch, a later poller reads these events once more.
            await self._commit(processed, _stored(events, processed))
        except ConcurrentUpdate as error:
            log.info("Failed Stripe events of %s are tried again: %s", self._sync.name, error)
            processed = ProcessedEvents([], failed=events)
        except StripeSyncError:
            raise
        except Exception:
            log.exception("Failed Stripe events of %s are tried again", self._sync.name)
            processed = ProcessedEvents([], failed=events)
        self._failed_events.update(events, processed.failed, processed.unfinished)

    async def _commit(
        self,
        processed: ProcessedEvents,
        done: Sequence[JsonObject] = (),
        cursor: JsonObject | None = None,
        *,
        refetch: bool = False,
    ) -> LoadResult:
        """Store observations and the cursor in one transaction.

        Args:
            processed: The observations.
            done: The Stripe events among them.
            cursor: Where a later poller continues; None keeps the stored cursor.
            refetch: As in ``Batch``.
        """
        await self._mark_refused(processed)
        seconds_since = self._session.api.stripe_clock.seconds_since
        created = (int(event["created"]) for event in done)
        lags = [seconds_since(at) for at in created if at >= self._first_poll]
        checkpoint = PollCheckpoint(
            cursor=cursor,
            stripe_events=len(done),
            latencies=latency_histogram(lags),
            pending=processed.deferred,
            fetched=processed.fetched if self._pending_fetches else (),
            owner=self._owner,
        )
        async with taken(self._session) as set_aside:
            batch = Batch(
                sync_id=self._sync.id,
                resource_id=self._sync.resource_id,
                source=Source.POLL,
                observations=processed.observations,
                poll=checkpoint,
                expected_hashes=processed.expected_hashes,
                set_aside=set_aside,
                refetch=refetch,
                redact_stored=self._session.context.redact_stored,
            )
            result = await asyncio.to_thread(self._writer.load, batch)
        self._pending_fetches.update(processed, self._session.clock.now())
        # Change events of mutations are in the stream only: their process does not write the lake.
        self._lake_follower.add_pending(result.events + result.echoes)
        committed = PollBatch(
            self._sync.name, len(done), result.events, lags, len(self._pending_fetches)
        )
        self.report.add_batch(committed)
        if self._on_batch and result.events:
            self._on_batch(committed)
        if result.ahead:
            await self._fetch_later(processed, result.ahead)
        return result

    async def _fetch_later(
        self, processed: ProcessedEvents, keys: Collection[tuple[str, str]]
    ) -> None:
        """Let objects wait for the Stripe events of changes that their fetched state shows.

        Those events bring the state. Should none come, it is fetched again after some minutes.
        """
        now, catalog = self._session.clock.now(), self._session.catalog
        states = {(o.collection_id, o.upstream_id): o for o in processed.observations}
        pending = [
            PendingFetch(*key, locator_of(catalog[key[0]], states[key].payload), now, ())
            for key in keys
        ]
        await self._commit(ProcessedEvents([], deferred=pending))

    async def _mark_refused(self, processed: ProcessedEvents) -> None:
        for collection_id, error in processed.forbidden.items():
            await asyncio.to_thread(
                self._session.warehouse.collections.finish,
                self._sync.id,
                collection_id,
                CollectionStatus.FORBIDDEN,
                str(error),
                permission=error.permission,
            )
        refusals = self._refusals.take()
        for collection_id, refused in by_collection(self._session.catalog, refusals).items():
            await asyncio.to_thread(
                self._session.warehouse.collections.set_missing,
                self._sync.id,
                collection_id,
                str(in_part(refused)),
                next((each.permission for each in refused if each.permission), None),
                replace=False,
            )

    def _run_in_background(self, work: Awaitable[object]) -> None:
        self._background_tasks.add(asyncio.ensure_future(work))

    def _raise_background_errors(self) -> None:
        """Raise the error that ended a background task, or the loss of the lease."""
        if self._lease_lost:
            message = f"sync {self._sync.name} was taken over by another poller"
            raise SyncBusy(message)
        self._pending_fetches.raise_error()
        for task in [task for task in self._background_tasks if task.done()]:
            self._background_tasks.discard(task)
            task.result()


def _stored(events: Sequence[JsonObject], processed: ProcessedEvents) -> list[JsonObject]:
    """The Stripe events that are among the observations."""
    failed = {event["id"] for event in processed.failed}
    return [event for event in events if event["id"] not in failed]
