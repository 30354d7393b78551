"""Rate limiter of one process, where there is no warehouse to share a budget in."""

from __future__ import annotations

from stripe_sync.client.rate_limit.limits import PacingLimits, Priority
from stripe_sync.clock import Clock, SystemClock

_SLOWER = 2.0
# A slot that the process reaches later is dropped: used late, requests would bunch up.
_MAX_LATENESS_SECONDS = 0.02
_SPREAD = 1.05
"""A limit per second is spread over so many seconds, since requests travel for different times."""


class LocalRateLimiter:
    """Spaces requests evenly, all together and to each endpoint; other processes are not counted.

    Args:
        limits: Requests per second.
        clock: Sleeps until a slot.
    """

    def __init__(self, limits: PacingLimits, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._limits = limits
        self._factor = _SPREAD
        self._next = 0.0
        self._next_of: dict[str, float] = {}

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Wait until one request to this endpoint may be sent.

        Args:
            endpoint: Method and path template, ``GET /v1/customers/{customer}``.
            priority: Backfill requests are spaced wider; none overtakes another.
        """
        is_backfill = priority is Priority.BACKFILL
        rate = self._limits.backfill if is_backfill else self._limits.total
        lateness = _MAX_LATENESS_SECONDS + 1
        while lateness > _MAX_LATENESS_SECONDS:
            now = self._clock.monotonic()
            slot = max(now, self._next, self._next_of.get(endpoint, 0.0))
            self._next = slot + self._factor / rate
            self._next_of[endpoint] = slot + self._factor / self._limits.per_endpoint
            await self._clock.sleep(slot - now)
            lateness = self._clock.monotonic() - slot

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Halve the rate after Stripe answered 429.

        Args:
            endpoint: As for ``acquire``.
            reason: Stripe's ``Stripe-Rate-Limited-Reason``.
        """
        self._factor *= _SLOWER

    async def aclose(self) -> None:
        """Nothing is open."""
