"""Counting requests exactly: the limits, and the numbers that tests look at."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.errors import ApiError
from stripe_sandbox.settings import Limits

WINDOW = 1.0
"""Seconds of the sliding window."""

_CODE = "rate_limit"
_MESSAGE = (
    "Request rate limit exceeded. Learn more about rate limits here "
    "https://stripe.com/docs/rate-limits."
)


@dataclass(slots=True)
class Window:
    """The requests of the last second.

    Attributes:
        admitted: Moments of the requests that were let through.
        seen: Moments of all requests.
        peak: Most requests seen in any one-second window.
        in_flight: Requests being answered; most_in_flight: the most there were.
    """

    admitted: deque[float] = field(default_factory=deque)
    seen: deque[float] = field(default_factory=deque)
    peak: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def arrive(self, now: float) -> None:
        """Count a request, whether it is let through or not."""
        self.seen.append(now)
        _forget(self.seen, now)
        _forget(self.admitted, now)
        self.peak = max(self.peak, len(self.seen))

    def enter(self, now: float) -> None:
        """Count a request that is let through."""
        self.admitted.append(now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)


def _forget(moments: deque[float], now: float) -> None:
    while moments and moments[0] <= now - WINDOW:
        moments.popleft()


def limited(reason: str) -> ApiError:
    """The 429 of a limit."""
    headers = {"stripe-rate-limited-reason": reason}
    return ApiError(429, _MESSAGE, code=_CODE, headers=headers)


def locked() -> ApiError:
    """The 429 of an object that is locked, which is no rate limit and names none."""
    return ApiError(
        429,
        "This object cannot be accessed right now because another API request or Stripe process "
        "is currently accessing it. If you see this error intermittently, retry the request.",
        code="lock_timeout",
    )


class Meter:
    """The counters of one account and mode."""

    def __init__(self) -> None:
        self.total = Window()
        self.endpoints: dict[str, Window] = {}
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def admit(self, endpoint: str, limits: Limits) -> None:
        """Let a request in; ``leave`` has to follow.

        Raises:
            ApiError: 429, a limit is reached.
        """
        now = time.monotonic()
        window = self.endpoints.setdefault(endpoint, Window())
        self.requests[endpoint] += 1
        self.total.arrive(now)
        window.arrive(now)
        checks = (
            ("global-rate", limits.global_rate, len(self.total.admitted)),
            ("endpoint-rate", limits.endpoint_rate, len(window.admitted)),
            ("global-concurrency", limits.global_concurrency, self.total.in_flight),
            ("endpoint-concurrency", limits.endpoint_concurrency, window.in_flight),
        )
        for reason, limit, count in checks:
            if limit is not None and count >= limit:
                self.refused[reason] += 1
                raise limited(reason)
        self.total.enter(now)
        window.enter(now)

    def leave(self, endpoint: str) -> None:
        """Note that a request has been answered."""
        self.total.in_flight -= 1
        self.endpoints[endpoint].in_flight -= 1

    def forget(self) -> None:
        """Start the numbers anew; requests in flight and the windows stay."""
        self.requests.clear()
        self.refused.clear()
        for window in (self.total, *self.endpoints.values()):
            window.peak = 0
            window.most_in_flight = window.in_flight

    def report(self) -> dict[str, Any]:
        """The numbers, for the control interface."""
        return {
            "requests": sum(self.requests.values()),
            "by_endpoint": dict(self.requests),
            "peak_per_second": self.total.peak,
            "peak_per_second_by_endpoint": {k: w.peak for k, w in self.endpoints.items()},
            "peak_in_flight": self.total.most_in_flight,
            "rate_limited": dict(self.refused),
        }
