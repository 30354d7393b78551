"""Pacing by a budget that all processes on all hosts share."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from stripe_sync.client.rate_limit.limits import PacingLimits, Priority
from stripe_sync.client.rate_limit.store import WHOLE_ACCOUNT, Reservation, SharedBudget
from stripe_sync.clock import Clock, SystemClock

_BATCH = 10
# A slot that comes up while the process is busy elsewhere is dropped once it is this many seconds
# late: using it anyway would let requests bunch.
_LATE = 0.02
# Backfill processes that wait for the same slot ask again spread over this many seconds, well
# within the lead that slots are granted with.
_SPREAD = 0.015


class SharedRateLimiter:
    """Grants slots from the shared budget.

    Coroutines that wait for the same endpoint in the same lane are served in order by one task,
    which reserves for several of them in one round trip.

    Args:
        budget: The budgets of a warehouse with all migrations applied; closed by who made it.
        account_key: Names the account and mode; whoever uses the same one shares the budget.
        limits: Requests per second; the same in all processes.
        clock: Waits for the slots.
    """

    def __init__(
        self,
        budget: SharedBudget,
        account_key: str,
        limits: PacingLimits,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._budget = budget
        self._account_key = account_key
        self._limits = limits
        self._queues: dict[tuple[str, Priority], _Queue] = {}

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Wait until one request to this endpoint may leave.

        Args:
            endpoint: Method and path template, ``GET /v1/customers/{customer}``.
            priority: Who asks.

        Raises:
            WarehouseError: The shared budget cannot be reached.
        """
        queue = self._queues.get((endpoint, priority))
        if queue is None:
            reserve = partial(
                self._budget.reserve, self._account_key, self._limits, endpoint, priority
            )
            queue = _Queue(reserve, priority, self._clock)
            self._queues[endpoint, priority] = queue
        while True:
            slot = await queue.slot()
            await self._clock.sleep(slot - self._clock.monotonic())
            if self._clock.monotonic() - slot <= _LATE:
                return

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Slow everyone down: the account for a global reason, else the endpoint.

        Args:
            endpoint: As for ``acquire``.
            reason: Stripe's ``Stripe-Rate-Limited-Reason``.

        Raises:
            WarehouseError: The shared budget cannot be reached.
        """
        scope = WHOLE_ACCOUNT if reason.startswith("global") else endpoint
        await self._budget.slow_down(self._account_key, scope)

    async def aclose(self) -> None:
        """Stop serving; who still waits is cancelled."""
        await asyncio.gather(*(queue.aclose() for queue in self._queues.values()))


class _Queue:
    """Who waits for one endpoint in one lane."""

    def __init__(
        self, reserve: Callable[[int], Awaitable[Reservation]], priority: Priority, clock: Clock
    ) -> None:
        self._reserve = reserve
        self._priority = priority
        self._clock = clock
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._server: asyncio.Task[None] | None = None

    async def slot(self) -> float:
        """The next slot, on the clock's monotonic counter; it may lie a little ahead."""
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._server is None:
            self._start()
        return await waiter

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.cancel()
            await asyncio.wait([self._server])

    def _start(self) -> None:
        self._server = asyncio.create_task(self._serve())
        self._server.add_done_callback(self._ended)

    async def _serve(self) -> None:
        while wanted := self._still_waiting():
            grant = await self._reserve(min(wanted, _BATCH))
            for slot in grant.slots:
                if self._still_waiting():
                    self._waiting.popleft().set_result(slot)
            if self._still_waiting():
                await self._clock.sleep(grant.ask_again_in + self._spread())

    def _spread(self) -> float:
        if self._priority is Priority.LIVE:
            return 0.0
        return random.uniform(0, _SPREAD)  # noqa: S311 - spreads load, guards nothing

    def _still_waiting(self) -> int:
        """How many wait, after those at the front that gave up have left."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return len(self._waiting)

    def _ended(self, server: asyncio.Task[None]) -> None:
        """Tell all who wait what ended the task; serve who came while it was ending."""
        self._server = None
        error = None if server.cancelled() else server.exception()
        if error is None and not server.cancelled() and self._still_waiting():
            self._start()
            return
        while self._still_waiting():
            waiter = self._waiting.popleft()
            if error is None:
                waiter.cancel()
            else:
                waiter.set_exception(error)
