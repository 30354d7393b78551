"""Retries of requests, back-off after 429: which failures, how many attempts, how long to wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from stripe_sync.client.error_mapping import AttemptFailure
from stripe_sync.client.transport import Timeouts
from stripe_sync.clock import Clock
from stripe_sync.errors import ConfigurationError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts and waits.

    Waits between attempts are random between zero and a bound that starts at ``first_wait`` and
    doubles up to ``max_wait``; a Retry-After in the answer is followed instead.

    Attributes:
        attempts: Requests at most, the first one included.
        first_wait: Bound of the first wait, in seconds.
        max_wait: Bound of any wait but a Retry-After, in seconds.
        total: Bound of all waits together, in seconds. Time spent waiting for the rate
            limiter does not count: it is no sign of Stripe's health.
        timeouts: Limits of each attempt.

    Raises:
        ConfigurationError: There would be no attempt at all, or a wait would be negative.
    """

    attempts: int = 6
    first_wait: float = 0.5
    max_wait: float = 20.0
    total: float = 120.0
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_wait, self.max_wait, self.total) < 0:
            message = "a retry policy needs at least one attempt and no negative waits"
            raise ConfigurationError(message)

    def retrying(self, clock: Clock, on_retry: Callable[[AttemptFailure], None]) -> AsyncRetrying:
        """A retry loop for one request: runs while the result is a retryable failure.

        Args:
            clock: Sleeps between attempts.
            on_retry: Called with each failure that another attempt follows.
        """
        backoff = wait_random_exponential(multiplier=self.first_wait, max=self.max_wait)

        def wait(state: RetryCallState) -> float:
            retry_after = _failure(state).retry_after
            return backoff(state) if retry_after is None else retry_after

        def stop(state: RetryCallState) -> bool:
            waits = state.idle_for + state.upcoming_sleep
            return state.attempt_number >= self.attempts or waits > self.total

        def before_sleep(state: RetryCallState) -> None:
            failure = _failure(state)
            on_retry(failure)
            _LOG.info(
                "attempt %s of %s failed, next one in %.1f s: %s",
                state.attempt_number,
                self.attempts,
                state.upcoming_sleep,
                failure.error,
            )

        return AsyncRetrying(
            retry=retry_if_result(
                lambda result: isinstance(result, AttemptFailure) and result.retry
            ),
            wait=wait,
            stop=stop,
            sleep=clock.sleep,
            before_sleep=before_sleep,
            retry_error_callback=_failure,
        )


LIVE_RETRY = RetryPolicy(attempts=2, timeouts=Timeouts(total=10.0))
"""Of fetches that a poll waits for: what fails twice is tried again later, behind the others."""


def _failure(state: RetryCallState) -> AttemptFailure:
    """The failure that the last attempt resulted in."""
    if state.outcome is None or not isinstance(failure := state.outcome.result(), AttemptFailure):
        message = "only failures are retried"
        raise TypeError(message)
    return failure
