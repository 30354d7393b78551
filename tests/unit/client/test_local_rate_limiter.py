"""Pacing within one process."""

from __future__ import annotations

import pytest

from stripe_sync.client import PacingLimits, Priority
from stripe_sync.client.rate_limit.local import LocalRateLimiter
from unit.client.scripted_stripe import WaitlessClock

pytestmark = pytest.mark.anyio

LIMITS = PacingLimits(total=20, backfill=10, per_endpoint=5)


async def seconds(endpoints: list[str], priority: Priority, slow_downs: int = 0) -> float:
    clock = WaitlessClock()
    limiter = LocalRateLimiter(LIMITS, clock)
    for _ in range(slow_downs):
        await limiter.slow_down("GET /v1/a", "global-rate")
    for endpoint in endpoints:
        await limiter.acquire(endpoint, priority)
    return clock.monotonic()


@pytest.mark.parametrize(
    ("endpoints", "priority", "slow_downs", "expected"),
    [
        ([f"GET /v1/{n}" for n in range(21)], Priority.LIVE, 0, 1.05),
        ([f"GET /v1/{n}" for n in range(11)], Priority.BACKFILL, 0, 1.05),
        (["GET /v1/a"] * 6, Priority.LIVE, 0, 1.05),
        (["GET /v1/a"] * 6, Priority.LIVE, 1, 2.10),
    ],
)
async def test_requests_are_spaced_over_a_little_more_than_a_second(
    endpoints: list[str], priority: Priority, slow_downs: int, expected: float
) -> None:
    assert await seconds(endpoints, priority, slow_downs) == pytest.approx(expected)
