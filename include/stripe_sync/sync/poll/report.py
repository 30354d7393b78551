"""What polling did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PollBatch:
    """What one transaction of a poller applied.

    Attributes:
        sync: Name of the sync.
        stripe_events: Stripe events in it.
        changes: Change events written.
        lags: Seconds from each Stripe event's creation to the commit.
        waiting: Objects whose new state is still to be fetched.
    """

    sync: str
    stripe_events: int
    changes: int
    lags: list[float]
    waiting: int


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll came to.

    Attributes:
        found: Whether there was anything new.
        more: Whether there probably is more at once.
    """

    found: bool
    more: bool


@dataclass(slots=True)
class PollReport:
    """What polling did.

    Attributes:
        polls: Polls made.
        requests: Requests made, fetches included.
        rate_limited: Answers among them that there were too many.
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

    def count(self, batch: PollBatch) -> None:
        """Add what one transaction applied."""
        self.stripe_events += batch.stripe_events
        self.changes += batch.changes
        self.lags = (self.lags + batch.lags)[-1000:]

    def add(self, other: PollReport) -> None:
        """Add what polling of another sync did."""
        for name in ("polls", "requests", "rate_limited", "stripe_events", "changes", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lags = (self.lags + other.lags)[-1000:]
