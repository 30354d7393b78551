"""Counts requests, and refuses those over a limit."""

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
class SlidingWindow:
    """The requests of the last second.

    Attributes:
        admitted: Times of the requests within the limits.
        arrived: Times of all requests.
        peak: Most requests in any one-second window.
        in_flight: Requests without a response yet; most_in_flight: the most there were.
    """

    admitted: deque[float] = field(default_factory=deque)
    arrived: deque[float] = field(default_factory=deque)
    peak: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def count_arrival(self, now: float) -> None:
        """Count a request, admitted or not."""
        self.arrived.append(now)
        _drop_old(self.arrived, now)
        _drop_old(self.admitted, now)
        self.peak = max(self.peak, len(self.arrived))

    def count_admitted(self, now: float) -> None:
        """Count a request within the limits."""
        self.admitted.append(now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)


def _drop_old(times: deque[float], now: float) -> None:
    while times and times[0] <= now - WINDOW:
        times.popleft()


def rate_limit_error(reason: str) -> ApiError:
    """The 429 of a limit."""
    headers = {"stripe-rate-limited-reason": reason}
    return ApiError(429, _MESSAGE, code=_CODE, headers=headers)


def lock_timeout_error() -> ApiError:
    """The 429 of a locked object, which names no rate limit."""
    return ApiError(
        429,
        "This object cannot be accessed right now because another API request or Stripe process "
        "is currently accessing it. If you see this error intermittently, retry the request.",
        code="lock_timeout",
    )


class RequestMeter:
    """The request counters of one account and mode."""

    def __init__(self) -> None:
        self.total = SlidingWindow()
        self.endpoints: dict[str, SlidingWindow] = {}
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def admit(self, endpoint: str, limits: Limits) -> None:
        """Admit a request; ``leave`` must follow.

        Raises:
            ApiError: 429, a limit is reached.
        """
        now = time.monotonic()
        window = self.endpoints.setdefault(endpoint, SlidingWindow())
        self.requests[endpoint] += 1
        self.total.count_arrival(now)
        window.count_arrival(now)
        checks = (
            ("global-rate", limits.global_rate, len(self.total.admitted)),
            ("endpoint-rate", limits.endpoint_rate, len(window.admitted)),
            ("global-concurrency", limits.global_concurrency, self.total.in_flight),
            ("endpoint-concurrency", limits.endpoint_concurrency, window.in_flight),
        )
        for reason, limit, count in checks:
            if limit is not None and count >= limit:
                self.refused[reason] += 1
                raise rate_limit_error(reason)
        self.total.count_admitted(now)
        window.count_admitted(now)

    def leave(self, endpoint: str) -> None:
        """Count the response to a request."""
        self.total.in_flight -= 1
        self.endpoints[endpoint].in_flight -= 1

    def reset(self) -> None:
        """Reset the counters; requests in flight and the windows stay."""
        self.requests.clear()
        self.refused.clear()
        for window in (self.total, *self.endpoints.values()):
            window.peak = 0
            window.most_in_flight = window.in_flight

    def report(self) -> dict[str, Any]:
        """The counters, for the control interface."""
        return {
            "requests": sum(self.requests.values()),
            "by_endpoint": dict(self.requests),
            "peak_per_second": self.total.peak,
            "peak_per_second_by_endpoint": {k: w.peak for k, w in self.endpoints.items()},
            "peak_in_flight": self.total.most_in_flight,
            "rate_limited": dict(self.refused),
        }
