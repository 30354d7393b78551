"""Rate limiter whose budget all processes on all hosts share."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from stripe_sync.client.rate_limit.limits import PacingLimits, Priority, RequestKind
from stripe_sync.client.rate_limit.store import WHOLE_ACCOUNT, Reservation, SharedBudget
from stripe_sync.clock import Clock, SystemClock

_SLOTS_PER_ROUND_TRIP = 10
# A slot that the process reaches more than this many seconds late is dropped: used late, requests
# would bunch up.
_MAX_LATENESS_SECONDS = 0.02
# Backfill processes that wait for the same slot retry spread over this many seconds, well within
# the lead time of a reservation.
_RETRY_SPREAD_SECONDS = 0.015


class SharedRateLimiter:
    """Reserves slots in the shared budget.

    Coroutines that wait for the same endpoint and priority are served in order by one task, which
    reserves up to 10 slots in one round trip.

    Args:
        budget: The budgets of a warehouse with all migrations applied; its creator closes it.
        account_key: Account and mode; everybody with the same key shares one budget.
        limits: Requests per second; the same in all processes.
        clock: Sleeps until a slot.
        kind: What its requests are counted as.
    """

    def __init__(
        self,
        budget: SharedBudget,
        account_key: str,
        limits: PacingLimits,
        clock: Clock | None = None,
        *,
        kind: RequestKind = RequestKind.POLL,
    ) -> None:
        self._clock = clock or SystemClock()
        self._budget = budget
        self._account_key = account_key
        self._limits = limits
        self._kind = kind
        self._queues: dict[tuple[str, Priority], _Queue] = {}

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Wait until one request to this endpoint may be sent.

        Args:
            endpoint: Method and path template, ``GET /v1/customers/{customer}``.
            priority: Live requests are served first.

        Raises:
            WarehouseError: The shared budget cannot be reached.
        """
        queue = self._queues.get((endpoint, priority))
        if queue is None:
            reserve = partial(
                self._budget.reserve,
                self._account_key,
                self._limits,
                endpoint,
                priority,
                kind=self._kind,
            )
            queue = _Queue(reserve, priority, self._clock)
            self._queues[endpoint, priority] = queue
        while True:
            slot = await queue.slot()
            await self._clock.sleep(slot - self._clock.monotonic())
            if self._clock.monotonic() - slot <= _MAX_LATENESS_SECONDS:
                return

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Reduce the shared rate: of the account for a global reason, else of the endpoint.

        Args:
            endpoint: As for ``acquire``.
            reason: Stripe's ``Stripe-Rate-Limited-Reason``.

        Raises:
            WarehouseError: The shared budget cannot be reached.
        """
        scope = WHOLE_ACCOUNT if reason.startswith("global") else endpoint
        await self._budget.slow_down(self._account_key, scope)

    async def aclose(self) -> None:
        """Stop; coroutines that still wait are cancelled."""
        await asyncio.gather(*(queue.aclose() for queue in self._queues.values()))


class _Queue:
    """Coroutines that wait for one endpoint and priority."""

    def __init__(
        self, reserve: Callable[[int], Awaitable[Reservation]], priority: Priority, clock: Clock
    ) -> None:
        self._reserve = reserve
        self._priority = priority
        self._clock = clock
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def slot(self) -> float:
        """The next slot in seconds of the monotonic clock; it may lie a little ahead."""
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._task is None:
            self._start()
        return await waiter

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _start(self) -> None:
        self._task = asyncio.create_task(self._reserve_for_waiters())
        self._task.add_done_callback(self._on_task_done)

    async def _reserve_for_waiters(self) -> None:
        while wanted := self._waiting_count():
            reservation = await self._reserve(min(wanted, _SLOTS_PER_ROUND_TRIP))
            for slot in reservation.slots:
                if self._waiting_count():
                    self._waiting.popleft().set_result(slot)
            if self._waiting_count():
                await self._clock.sleep(reservation.retry_after + self._retry_jitter())

    def _retry_jitter(self) -> float:
        if self._priority is Priority.LIVE:
            return 0.0
        return random.uniform(0, _RETRY_SPREAD_SECONDS)  # noqa: S311 - spreads load, guards nothing

    def _waiting_count(self) -> int:
        """Number of waiting coroutines, without cancelled ones at the front."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return len(self._waiting)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """Pass the task's error to all that wait; restart it for those that came meanwhile."""
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled() and self._waiting_count():
            self._start()
            return
        while self._waiting_count():
            waiter = self._waiting.popleft()
            if error is None:
                waiter.cancel()
            else:
                waiter.set_exception(error)
