"""Pending fetches: objects whose changes are in the stream, whose new state is not yet.

The warehouse has the queue: objects enter it in the transaction of their change events and leave
it in the transaction of their fetched state. This module keeps a copy in memory and works it off
in the background, while polling continues.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from stripe_sync.errors import (
    AuthenticationError,
    ConcurrentUpdate,
    StripeSyncError,
    SyncBusy,
)
from stripe_sync.extract.event_feed import LOOKBACK
from stripe_sync.records import LoadResult, PendingFetch
from stripe_sync.sync.poll.events.changed_object import ProcessedEvents
from stripe_sync.sync.poll.events.process_events import EventProcessor
from stripe_sync.sync.session import Session

log = logging.getLogger(__name__)

FETCHES_AT_ONCE = 16
"""Pending objects that are fetched for one transaction."""

AHEAD_SECONDS = 60.0
"""Wait between two fetches of an object whose Stripe event is still to come."""

_FIRST_RETRY_SECONDS = 5.0
_LONGEST_RETRY_SECONDS = 3_600.0
_IDLE_SECONDS = 1.0
_STOP_SECONDS = 5.0

Commit = Callable[[ProcessedEvents], Awaitable[LoadResult]]


class PendingFetches:
    """Fetches pending objects, the longest pending first.

    Args:
        session: The open sync.
        processor: Fetches them.
        commit: Stores the fetched states and takes the objects out of the queue.
    """

    def __init__(self, session: Session, processor: EventProcessor, commit: Commit) -> None:
        self._session = session
        self._processor = processor
        self._commit = commit
        # Each with a time after the commit of its newest change.
        self._queue: dict[tuple[str, str], tuple[PendingFetch, datetime]] = {}
        # Of objects whose last fetch failed: the wait after it, and the monotonic time of its end.
        self._retries: dict[tuple[str, str], tuple[float, float]] = {}
        # Of objects whose fetched state shows a change that no Stripe event has reported: since
        # when, and the time of the next fetch.
        self._ahead: dict[tuple[str, str], tuple[float, float]] = {}
        self._not_empty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def __len__(self) -> int:
        return len(self._queue)

    async def start(self) -> None:
        """Load the queue that an earlier poller left, and begin to fetch."""
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        now = self._session.clock.now()
        for pending in await asyncio.to_thread(warehouse.polls.pending_fetches, sync_id):
            self._queue[pending.collection_id, pending.upstream_id] = pending, now
        if self._queue:
            self._not_empty.set()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop after the fetches under way; the next poller fetches the rest."""
        if self._task is not None:
            self._stopping = True
            self._not_empty.set()
            await asyncio.wait([self._task], timeout=_STOP_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def raise_error(self) -> None:
        """Raise the error that ended the background task, if one did."""
        if self._task is not None and self._task.done():
            self._task.result()

    def update(self, processed: ProcessedEvents, now: datetime) -> None:
        """Follow a transaction that put objects into the queue or took some out of it.

        Args:
            processed: What it committed.
            now: A time after the commit.
        """
        for collection_id, upstream_id, fetched_at in processed.fetched:
            queued = self._queue.get((collection_id, upstream_id))
            # A change committed after the fetch was sent may be missing in its answer.
            if queued and queued[1] < fetched_at:
                del self._queue[collection_id, upstream_id]
                self._ahead.pop((collection_id, upstream_id), None)
        for pending in processed.deferred:
            key = _key(pending)
            # It keeps the place in the queue of its oldest change.
            oldest = self._queue.get(key, (pending, now))[0]
            self._queue[key] = replace(pending, changed_at=oldest.changed_at), now
            self._ahead.pop(key, None)
        if self._queue:
            self._not_empty.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._not_empty.wait()
            if not self._queue:
                self._not_empty.clear()
                continue
            due = self._due()
            if not due:
                await self._session.clock.sleep(_IDLE_SECONDS)
                continue
            fetched: set[tuple[str, str]] = set()
            try:
                processed = await self._processor.fetch_pending(due, overdue=self._overdue())
                await self._commit(processed)
                fetched = {(collection, key) for collection, key, _ in processed.fetched}
                self._wait_for_events(processed.ahead)
            except ConcurrentUpdate:
                # A change of one of them was stored meanwhile.
                continue
            except (AuthenticationError, SyncBusy):
                raise
            except StripeSyncError as error:
                log.warning("Fetching pending objects failed, trying again: %s", error)
            self._schedule_retries([each for each in due if _key(each) not in self._ahead], fetched)

    def _overdue(self) -> set[tuple[str, str]]:
        """Objects whose Stripe event would have come by now."""
        before = self._session.clock.monotonic() - LOOKBACK
        return {key for key, (since, _) in self._ahead.items() if since < before}

    def _wait_for_events(self, ahead: Sequence[tuple[str, str]]) -> None:
        """Let objects wait for the Stripe event that reports their change."""
        now = self._session.clock.monotonic()
        for key in ahead:
            since, _ = self._ahead.get(key, (now, now))
            self._ahead[key] = since, now + AHEAD_SECONDS

    def _due(self) -> list[PendingFetch]:
        """The next objects to fetch, without those that wait for something."""
        now = self._session.clock.monotonic()
        due = (
            pending
            for key, (pending, _) in self._queue.items()
            if max(self._retries.get(key, (0.0, now))[1], self._ahead.get(key, (0.0, now))[1])
            <= now
        )
        return list(islice(due, FETCHES_AT_ONCE))

    def _schedule_retries(
        self, due: Sequence[PendingFetch], fetched: Container[tuple[str, str]]
    ) -> None:
        """Let objects whose fetch failed wait twice as long as the last time.

        Once one of them succeeds, the others are due, too.
        """
        now = self._session.clock.monotonic()
        if any(key in fetched and key in self._retries for key in map(_key, due)):
            self._retries = {key: (wait, now) for key, (wait, _) in self._retries.items()}
        for pending in due:
            key = _key(pending)
            last, _ = self._retries.pop(key, (_FIRST_RETRY_SECONDS / 2, 0.0))
            if key not in fetched:
                wait = min(2 * last, _LONGEST_RETRY_SECONDS)
                self._retries[key] = wait, now + wait


def _key(pending: PendingFetch) -> tuple[str, str]:
    return pending.collection_id, pending.upstream_id
