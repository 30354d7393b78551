"""Wakes the readers of one process that wait for something new.

One connection serves all of them: it listens, reads which syncs have moved on, and which objects
have changed, so that a reader is woken for what it has selected only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.errors import WarehouseError
from stripe_sync.libpq import BACKEND_PID, connect_arguments, keep_session
from stripe_sync.streams.page import StreamPage
from stripe_sync.streams.selection import Selection
from stripe_sync.warehouse.connect import explain, parse_url
from stripe_sync.warehouse.notifications import CHANNEL

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
"""Time after which the streams are looked at without a notification."""

_LONGEST_RETRY_SECONDS = 10.0
_MOST_CHANGES = 1_000
"""Changes that are looked at; when there are more at once, all readers of the sync wake up."""

_ENDS = "SELECT sync_id, last_seq FROM stripe_sync.stream_position"
_CHANGES = """
SELECT collection_id, upstream_id, event_type FROM stripe_raw.events
WHERE sync_id = %s AND seq > %s AND seq <= %s LIMIT %s
"""

Change = tuple[str, str, str]


@dataclass(eq=False, slots=True)
class _Waiter:
    """A reader that waits.

    Attributes:
        syncs: The syncs that it reads; None for all, also those to come.
        wants: Whether it wants a change; None where it waits for a position.
        woken: Set when there is something for it.
    """

    syncs: frozenset[UUID] | None
    wants: Callable[[str, str, str], bool] | None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class StreamHub:
    """Waits for changes on behalf of many readers. Start it in the loop of the readers.

    Args:
        warehouse_url: ``postgresql://…``.
        is_stopping: Asked twice a second whether all readers are to be sent home.
    """

    def __init__(self, warehouse_url: str, is_stopping: Callable[[], bool]) -> None:
        self._url = warehouse_url
        self._is_stopping = is_stopping
        self._waiters: set[_Waiter] = set()
        self._ends: dict[UUID, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._wait = _TICK_SECONDS
        self.is_closed = False

    @property
    def waiting(self) -> int:
        """Number of readers that wait."""
        return len(self._waiters)

    def start(self) -> None:
        """Begin to listen; the warehouse need not be there yet."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop listening, and wake all readers."""
        self._send_home()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, selection: Selection, page: StreamPage, seconds: float) -> bool:
        """Wait until there may be something to read after a page, for so long at most.

        Args:
            selection: What the reader reads.
            page: What it has read last.
            seconds: Longest time.

        Returns:
            Whether the streams have moved on, also by what the reader has not selected.
        """
        if self._is_behind(page):
            return True
        syncs = page.syncs if selection.names_syncs else None
        woken = await self._sleep(_Waiter(syncs, selection.matches), seconds)
        return woken or self._is_behind(page)

    def _is_behind(self, page: StreamPage) -> bool:
        positions = page.cursor.positions
        return any(self._ends.get(sync, 0) > positions[sync] for sync in page.syncs)

    async def wait_for(self, sync: UUID, seq: int, seconds: float) -> bool:
        """Wait until a sync's stream has a position; returns whether it has."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._ends.get(sync, 0) < seq:
            if self.is_closed or loop.time() >= until:
                return False
            await self._sleep(_Waiter(frozenset({sync}), None), until - loop.time())
        return True

    async def _sleep(self, waiter: _Waiter, seconds: float) -> bool:
        """Whether it was woken."""
        if self.is_closed:
            return False
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter.woken.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)
        return waiter.woken.is_set()

    async def _run(self) -> None:
        while not self.is_closed:
            try:
                await self._listen()
            except WarehouseError as error:
                wait, self._wait = self._wait, min(2 * self._wait, _LONGEST_RETRY_SECONDS)
                log.warning("Waiting readers get nothing, next try in %.1f s: %s", wait, error)
                await self._pause(wait)

    async def _listen(self) -> None:
        """Until the hub is closed."""
        with explain(parse_url(self._url)):
            async with await psycopg.AsyncConnection.connect(
                **connect_arguments(self._url), autocommit=True
            ) as connection:
                ((pid,),) = await _rows(connection, BACKEND_PID)
                direct = keep_session(connection, pid)
                if direct:
                    # It listens before it reads, so that no commit falls in between.
                    await connection.execute(f"LISTEN {CHANNEL}")
                while not self._closes():
                    await self._report(connection)
                    self._wait = _TICK_SECONDS
                    if direct:
                        notifies = connection.notifies(timeout=_TICK_SECONDS, stop_after=1)
                        _ = [notify async for notify in notifies]
                    else:
                        await asyncio.sleep(_TICK_SECONDS)

    async def _report(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Wake those who want what is new."""
        ends: Mapping[UUID, int] = dict(await _rows(connection, _ENDS))
        moved = {sync: seq for sync, seq in ends.items() if self._ends.get(sync) != seq}
        before, self._ends = self._ends, dict(ends)
        for sync, end in moved.items():
            waiters = [each for each in self._waiters if each.syncs is None or sync in each.syncs]
            if not waiters:
                continue
            start = before.get(sync, end)
            try:
                changes = await _rows(connection, _CHANGES, sync, start, end, _MOST_CHANGES)
            except psycopg.Error:
                self._ends = (
                    before  # nobody was woken: what moved is reported by the next connection
                )
                raise
            # A sync that is new to the hub, or was made anew, or has more than was looked at.
            unknown = end <= start or len(changes) == _MOST_CHANGES
            _wake(waiters, changes, everyone=unknown)

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until and not self._closes():
            await asyncio.sleep(_TICK_SECONDS)

    def _closes(self) -> bool:
        if not self.is_closed and self._is_stopping():
            self._send_home()
        return self.is_closed

    def _send_home(self) -> None:
        self.is_closed = True
        _wake(self._waiters, (), everyone=True)


def _wake(
    waiters: Iterable[_Waiter], changes: Iterable[tuple[Any, ...]], *, everyone: bool
) -> None:
    different = set(changes)
    for waiter in waiters:
        if everyone or waiter.wants is None or any(waiter.wants(*each) for each in different):
            waiter.woken.set()


async def _rows(
    connection: psycopg.AsyncConnection[Any], query: str, *values: Any
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()
