"""Mutations in a long-lived process: sessions stay open between calls, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from stripe_sync.client import RequestKind
from stripe_sync.clock import SystemClock
from stripe_sync.errors import SyncNotFound
from stripe_sync.mutations.mutation import DEFAULT_OPTIONS, Mutation, RunOptions
from stripe_sync.mutations.mutator import Mutator, open_mutator
from stripe_sync.mutations.proxy.proxy import ProxyAnswer
from stripe_sync.mutations.proxy.request import ProxyRequest
from stripe_sync.mutations.report import MutationReport
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.session import (
    Session,
    open_session,
    open_shared_resources,
    refuse_inactive,
)

KEPT_CONNECTIONS = 8
"""Connections to the warehouse that stay open: opening one takes longer than a statement."""

IDLE_SECONDS = 60.0
"""How long a session stays open without a call."""

Result = TypeVar("Result")


@dataclass(slots=True)
class _Open:
    """An open session.

    Attributes:
        connections: What it was opened with.
        session: The session.
        mutator: Its mutator.
        stack: Closes both.
        used_at: Monotonic seconds of the last call.
        calls: Calls under way.
    """

    connections: Connections
    session: Session
    mutator: Mutator
    stack: AsyncExitStack
    used_at: float = 0.0
    calls: int = 0


@dataclass(slots=True)
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    open: _Open | None = None


class BackgroundMutations:
    """Runs mutations of many syncs on an event loop of its own.

    A call goes on when its caller stops waiting: a write that has begun is finished and stored.

    Args:
        connect: Gives the connections of a sync, at each call: a new key takes effect at once.
    """

    def __init__(self, connect: Callable[[str], Connections]) -> None:
        self._connect = connect
        self._slots: dict[str, _Slot] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closing: set[asyncio.Future[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def run(
        self, sync: str, mutation: Mutation, options: RunOptions = DEFAULT_OPTIONS
    ) -> MutationReport:
        """Write to Stripe and to the streams.

        Raises:
            SyncNotFound: There is no such sync.
            StripeSyncError: As for :func:`stripe_sync.mutate`.
        """
        return await self.call(sync, lambda opened: opened.run(mutation, options))

    async def send(self, sync: str, request: ProxyRequest) -> ProxyAnswer:
        """Send any request to Stripe, and store the objects of its answer.

        Raises:
            SyncNotFound: There is no such sync.
            StripeSyncError: As for :func:`stripe_sync.proxy_request`.
        """
        return await self.call(sync, lambda opened: opened.proxy.send(request))

    async def call(
        self, sync: str, use: Callable[[Mutator], Coroutine[Any, Any, Result]]
    ) -> Result:
        """Use the mutator of a sync; the arguments and errors of ``run``."""
        loop = self._running_loop()
        future = asyncio.run_coroutine_threadsafe(self._use(sync, use), loop)
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Finish the calls under way and close all sessions."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="stripe-mutations", daemon=True
                )
                self._thread.start()
            return self._loop

    async def _use(
        self, sync: str, use: Callable[[Mutator], Coroutine[Any, Any, Result]]
    ) -> Result:
        connections = await asyncio.to_thread(self._connect, sync)
        slot = self._slots.setdefault(sync, _Slot())
        async with slot.lock:
            opened = await self._current(slot, sync, connections)
            opened.calls += 1
        try:
            return await use(opened.mutator)
        finally:
            opened.calls -= 1
            opened.used_at = asyncio.get_running_loop().time()
            asyncio.get_running_loop().call_later(IDLE_SECONDS + 1, self._sweep, slot)

    async def _current(self, slot: _Slot, sync: str, connections: Connections) -> _Open:
        """The session of a sync; a new one where its key, its settings or its state changed."""
        if slot.open is not None:
            stored = await asyncio.to_thread(slot.open.session.warehouse.syncs.find, sync)
            if stored is None:
                await self._close(slot)
                message = f"there is no sync {sync}"
                raise SyncNotFound(message)
            refuse_inactive(stored)
            if slot.open.connections == connections and slot.open.session.sync == stored:
                return slot.open
            await self._close(slot)
        stack = AsyncExitStack()
        try:
            shared = open_shared_resources(
                connections.warehouse_url, SystemClock(), kept_open=KEPT_CONNECTIONS
            )
            common = await stack.enter_async_context(shared)
            opening = open_session(
                connections, sync, kind=RequestKind.MUTATION, common=common, create=False
            )
            session = await stack.enter_async_context(opening)
            mutator = await stack.enter_async_context(open_mutator(session))
        except BaseException:
            await stack.aclose()
            raise
        slot.open = _Open(connections, session, mutator, stack)
        return slot.open

    async def _close(self, slot: _Slot) -> None:
        """Close a session after the calls under way."""
        opened, slot.open = slot.open, None
        if opened is None:
            return
        while opened.calls:
            await asyncio.sleep(0.05)
        await opened.stack.aclose()

    def _sweep(self, slot: _Slot) -> None:
        """Close a session that was not used for some time."""
        opened, now = slot.open, asyncio.get_running_loop().time()
        if opened and not opened.calls and now - opened.used_at >= IDLE_SECONDS:
            closing = asyncio.ensure_future(self._close_idle(slot, opened))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close_idle(self, slot: _Slot, opened: _Open) -> None:
        async with slot.lock:
            if slot.open is opened and not opened.calls:
                await self._close(slot)

    async def _close_all(self) -> None:
        for slot in self._slots.values():
            async with slot.lock:
                await self._close(slot)
