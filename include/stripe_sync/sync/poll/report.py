"""Results of polling: of one transaction, of one poll, of a run, and its current health."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.errors import StripeError

_KEPT_LAGS = 1_000
_UPPER_BOUNDS = (
    *(0.5 * halves for halves in range(1, 11)),
    *(6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0),
    *(900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 604_800.0, 2_592_000.0),
)


@dataclass(frozen=True, slots=True)
class PollBatch:
    """Result of one transaction of a poller.

    Attributes:
        sync: Name of the sync.
        stripe_events: Stripe events in it.
        changes: Change events written.
        lags: Seconds from each Stripe event's creation to the commit.
        pending_fetches: Objects of the sync whose new state is still to be fetched.
    """

    sync: str
    stripe_events: int
    changes: int
    lags: list[float]
    pending_fetches: int


@dataclass(frozen=True, slots=True)
class PollResult:
    """Result of one poll.

    Attributes:
        answered_at: When Stripe answered; None when it did not.
        found: Whether there were new Stripe events.
        more: Whether to poll again at once, because more are likely to be there.
        error: Why Stripe did not answer; None when it did.
    """

    answered_at: datetime | None = None
    found: bool = False
    more: bool = False
    error: StripeError | None = None


@dataclass(slots=True)
class PollReport:
    """Totals of polling.

    Attributes:
        polls: Polls made.
        requests: Requests made, fetches included; updated with each heartbeat.
        rate_limited: Requests among them that Stripe answered with 429; updated likewise.
        stripe_events: Stripe events applied.
        changes: Change events written.
        failures: Polls that failed and were tried again.
        lags: Seconds from a Stripe event's creation to the commit, newest 1,000.
    """

    polls: int = 0
    requests: int = 0
    rate_limited: int = 0
    stripe_events: int = 0
    changes: int = 0
    failures: int = 0
    lags: list[float] = field(default_factory=list)

    def add_batch(self, batch: PollBatch) -> None:
        """Add the result of one transaction."""
        self.stripe_events += batch.stripe_events
        self.changes += batch.changes
        self._add_lags(batch.lags)

    def add(self, other: PollReport) -> None:
        """Add the totals of another report."""
        for name in ("polls", "requests", "rate_limited", "stripe_events", "changes", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._add_lags(other.lags)

    def _add_lags(self, lags: list[float]) -> None:
        # Replaced as a whole, never changed in place: another thread may be reading it.
        self.lags = (self.lags + lags)[-_KEPT_LAGS:]


@dataclass(frozen=True, slots=True)
class PollHealth:
    """State of a supervisor at one moment.

    Attributes:
        running: Whether it polls.
        error: The exception that ended it; None while it runs and after an orderly end.
        syncs: Syncs that it is to poll, the failing ones included.
        failing: Error message of each sync that cannot be polled at present, by name.
        last_poll_at: When Stripe last answered a poll of any sync; None for never.
        report: Totals so far, a copy.
        warehouse_error: Why the list of syncs cannot be read at present; None while it can.
    """

    running: bool
    error: Exception | None
    syncs: int
    failing: Mapping[str, str]
    last_poll_at: datetime | None
    report: PollReport
    warehouse_error: str | None = None


def latency_histogram(lags: Iterable[float]) -> Mapping[float, int]:
    """Number of lags by the upper bound of their bucket, both in seconds.

    The buckets are fixed, so that they can be added up over minutes and syncs.
    """
    last = len(_UPPER_BOUNDS) - 1
    return Counter(_UPPER_BOUNDS[min(bisect_left(_UPPER_BOUNDS, lag), last)] for lag in lags)
