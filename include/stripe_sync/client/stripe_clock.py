"""Stripe's clock, read from the ``Date`` of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from stripe_sync.clock import Clock, ServerClock

_RESOLUTION = 1.0


class StripeClock:
    """The time at Stripe. ``Date`` has whole seconds; many answers narrow it to a few hundredths.

    Args:
        clock: Counts the seconds. Its time, with what is assumed, stands for Stripe's as long as no
            answer had a ``Date``.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._server = ServerClock()
        self._date: int | None = None
        self._assumed_ahead = 0.0

    def monotonic(self) -> float:
        """Seconds on the counter that ``add`` takes."""
        return self._clock.monotonic()

    @property
    def ahead(self) -> float | None:
        """Seconds that Stripe's clock is ahead of the own; None before the first answer."""
        if not self._server.known:
            return None
        return self._server.about(self.monotonic()) - self._clock.now().timestamp()

    def assume_ahead(self, seconds: float) -> None:
        """Take Stripe's clock to be so far ahead of the own until the first answer."""
        self._assumed_ahead = seconds

    def _own_time(self) -> float:
        return self._clock.now().timestamp() + self._assumed_ahead

    def add(self, headers: Mapping[str, str], *, sent: float) -> None:
        """Add an answer that was received just now.

        Args:
            headers: Its headers; without a ``Date`` that can be read they change nothing.
            sent: Monotonic seconds before its request was sent.
        """
        try:
            date = int(parsedate_to_datetime(headers["Date"]).timestamp())
        except (KeyError, ValueError, OverflowError):
            return
        self._date = date
        self._server.add(date, sent=sent, received=self.monotonic(), resolution=_RESOLUTION)

    @property
    def date(self) -> int:
        """``Date`` of the newest answer, in Unix seconds."""
        return int(self._own_time() // 1) if self._date is None else self._date

    def now(self) -> int:
        """Unix seconds, or up to two less, never more."""
        if not self._server.known:
            return int(self._own_time() // 1)
        return int(self._server.earliest(self.monotonic()) // 1)

    def latest(self) -> float:
        """Unix seconds, or up to two more, never less."""
        if not self._server.known:
            return self._own_time()
        return self._server.latest(self.monotonic())

    def seconds_since(self, created: int) -> float:
        """About how many seconds have passed since a ``created``."""
        if not self._server.known:
            return self._own_time() - created
        return self._server.about(self.monotonic()) - created
