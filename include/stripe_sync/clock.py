"""The clock. All code that reads the time or sleeps takes a ``Clock``.

Clocks of different machines are never compared with each other. What was stored when is decided by
the clock of the database server (``WarehouseClock``), what Stripe lists by Stripe's own clock,
which the ``Date`` of its answers shows (``client/stripe_clock.py``). Both are read through
``ServerClock``, which counts on with the local monotonic counter.
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import Any, Protocol

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799

_DRIFT = 0.0005
"""Seconds by which two clocks drift apart in a second, at most: as fast as NTP corrects one."""


class Clock(Protocol):
    """Wall-clock time, a monotonic counter and a sleep that go together."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a counter that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; zero and less return at once."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on a counter that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; zero and less return at once."""
        if seconds > 0:
            await asyncio.sleep(seconds)


class ServerClock:
    """Another machine's clock, read in seconds of the local monotonic counter.

    Each round trip bounds the difference of the two clocks by an interval as wide as the round
    trip. Intervals are intersected, and grow with time as clocks drift apart. Where one excludes
    the others the server's clock was set, and only the newest counts. The estimate moves only when
    an interval excludes it, so that one slow answer does not shift it.
    """

    def __init__(self) -> None:
        self._least = -math.inf
        self._most = math.inf
        self._added_at = 0.0
        self._offset: float | None = None

    @property
    def known(self) -> bool:
        """Whether there was a round trip."""
        return self._offset is not None

    def add(
        self, server_now: float, *, sent: float, received: float, resolution: float = 0.0
    ) -> None:
        """Add one round trip.

        Args:
            server_now: The server's time between the other two; epoch seconds.
            sent: Local counter before the request.
            received: Local counter after the answer.
            resolution: Seconds that the server's time may have been rounded down by.
        """
        least, most = server_now - received, server_now + resolution - sent
        if self._offset is None:
            self._offset = (least + most) / 2
        self._offset = min(max(self._offset, least), most)
        drift = _DRIFT * (received - self._added_at)
        both = max(least, self._least - drift), min(most, self._most + drift)
        self._least, self._most = both if both[0] <= both[1] else (least, most)
        self._added_at = received

    def local(self, server_time: float) -> float:
        """A server time as local seconds, about; call ``add`` first."""
        return server_time - (self._offset or 0.0)

    def about(self, local: float) -> float:
        """The server's time at a local time, about; call ``add`` first."""
        return local + (self._offset or 0.0)

    def earliest(self, local: float) -> float:
        """The server's time at a local time, or a little less; call ``add`` first."""
        return local + self._least

    def latest(self, local: float) -> float:
        """The server's time at a local time, or a little more; call ``add`` first."""
        return local + self._most


class WarehouseClock:
    """The clock of the database server, the one clock of all workers.

    Args:
        clock: Counts the seconds.
        server: The server's clock, with at least one round trip.
    """

    def __init__(self, clock: Clock, server: ServerClock) -> None:
        self._clock = clock
        self._server = server

    def now(self) -> datetime:
        """The database's time, or a little less, never more."""
        return from_unix(self._server.earliest(self._clock.monotonic()))

    def monotonic(self) -> float:
        """Seconds on a counter that never goes back."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; zero and less return at once."""
        await self._clock.sleep(seconds)


def from_unix(seconds: float) -> datetime:
    """Stripe's timestamps (whole seconds since 1970, UTC) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def is_moment(seconds: Any) -> bool:
    """Whether a value is a timestamp of Stripe that a calendar has: years 1 to 9999."""
    return type(seconds) is int and _FIRST_SECOND <= seconds <= _LAST_SECOND


def to_unix(moment: datetime) -> int:
    """An aware datetime as Stripe's whole seconds since 1970, rounded down."""
    return int(moment.timestamp() // 1)
