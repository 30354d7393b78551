"""Objects whose changes are in the stream while their new state is still to be fetched.

The queue stands in the warehouse: what is put into it commits with the change events, what comes
out of it with the fetched state. Here it is only remembered, and worked off beside polling.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import islice

from stripe_sync.errors import AuthenticationError, StripeError, SyncBusy, WarehouseError
from stripe_sync.records import LoadResult, PendingFetch
from stripe_sync.sync.poll.process_events import FETCHED_AT_ONCE, EventProcessor, ProcessedEvents
from stripe_sync.sync.session import Session

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
_PATIENCE = 5.0

Commit = Callable[[ProcessedEvents], Awaitable[LoadResult]]


class PendingFetches:
    """Fetches what waits, those first that wait longest.

    Args:
        session: The open sync.
        applier: Fetches.
        commit: Stores what was fetched and takes it out of the queue.
    """

    def __init__(self, session: Session, applier: EventProcessor, commit: Commit) -> None:
        self._session = session
        self._processor = applier
        self._commit = commit
        self._waiting: dict[tuple[str, str], tuple[PendingFetch, datetime]] = {}
        self._filled = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._stopping = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def start(self) -> None:
        """Read what an earlier poller left, and begin."""
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        now = self._session.clock.now()
        for waiting in await asyncio.to_thread(warehouse.polls.pending_fetches, sync_id):
            self._waiting[waiting.collection_id, waiting.upstream_id] = waiting, now
        if self._waiting:
            self._filled.set()
        self._work = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop after what is under way; what still waits is fetched by the next poller."""
        if self._work is not None:
            self._stopping = True
            self._filled.set()
            await asyncio.wait([self._work], timeout=_PATIENCE)
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def check(self) -> None:
        """Raise what ended the work, if anything did."""
        if self._work is not None and self._work.done():
            self._work.result()

    def note(self, applied: ProcessedEvents, now: datetime) -> None:
        """Note what a transaction put into the queue and took out of it.

        Args:
            applied: What it committed.
            now: A time after it.
        """
        for collection_id, upstream_id, fetched_at in applied.fetched:
            known = self._waiting.get((collection_id, upstream_id))
            if known and known[1] < fetched_at:
                del self._waiting[collection_id, upstream_id]
        for waiting in applied.waiting:
            key = waiting.collection_id, waiting.upstream_id
            # Its place in the queue stays that of its oldest change.
            self._waiting[key] = self._waiting.get(key, (waiting, now))[0], now
        if self._waiting:
            self._filled.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._filled.wait()
            if not self._waiting:
                self._filled.clear()
                continue
            some = [waiting for waiting, _ in islice(self._waiting.values(), FETCHED_AT_ONCE)]
            fetched = False
            try:
                applied = await self._processor.fetch(some)
                await self._commit(applied)
                fetched = bool(applied.fetched)
            except (AuthenticationError, SyncBusy):
                raise
            except (StripeError, WarehouseError) as error:
                log.warning("Fetching what changed failed, trying again: %s", error)
            if not fetched and not self._stopping:
                await self._session.clock.sleep(_RETRY_SECONDS)
