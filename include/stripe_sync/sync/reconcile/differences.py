"""Objects that differ from their records: kept back until polling has passed their read.

A list shows a change at once, its Stripe event comes a moment later. Stored by reconcile first, the
change would have two change events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from stripe_sync.records import Observation
from stripe_sync.sync.session import Session

MAX_WAIT_SECONDS = 30.0
"""Longest wait for a poll: a poller that holds its lease polls every half second."""

_CHECK_SECONDS = 0.5


class Differences:
    """Differences that reconcile found, in the order in which they were read.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: deque[tuple[datetime, list[Observation]]] = deque()

    async def keep(self, observations: Sequence[Observation]) -> list[Observation]:
        """Keep those that differ from their records; returns the others."""
        records = self._session.warehouse.records
        keys = [(each.collection_id, each.upstream_id) for each in observations]
        stored = await asyncio.to_thread(records.hashes, self._session.sync.id, keys)
        differing: list[Observation] = []
        others: list[Observation] = []
        for key, each in zip(keys, observations, strict=True):
            is_other = stored.get(key, each.payload_hash) != each.payload_hash
            (differing if is_other else others).append(each)
        if differing:
            self._waiting.append((self._session.clock.now(), differing))
        return others

    async def take(self) -> list[Observation]:
        """Those that were read before the newest poll; all of them where nobody polls."""
        if not self._waiting:
            return []
        polls, sync_id = self._session.warehouse.polls, self._session.sync.id
        polled_at, found = await asyncio.to_thread(polls.being_polled, sync_id), []
        while self._waiting and (polled_at is None or self._waiting[0][0] < polled_at):
            found += self._waiting.popleft()[1]
        return found

    async def take_all(self) -> list[Observation]:
        """All of them, after waiting for a poll."""
        clock, found = self._session.clock, await self.take()
        end = clock.monotonic() + MAX_WAIT_SECONDS
        while self._waiting and clock.monotonic() < end:
            await clock.sleep(_CHECK_SECONDS)
            found += await self.take()
        while self._waiting:
            found += self._waiting.popleft()[1]
        return found
