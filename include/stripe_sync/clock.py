"""The clock. All code that reads the time or sleeps takes a ``Clock``."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Protocol

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799


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


def from_unix(seconds: float) -> datetime:
    """Stripe's timestamps (whole seconds since 1970, UTC) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def is_moment(seconds: Any) -> bool:
    """Whether a value is a timestamp of Stripe that a calendar has: years 1 to 9999."""
    return type(seconds) is int and _FIRST_SECOND <= seconds <= _LAST_SECOND


def to_unix(moment: datetime) -> int:
    """An aware datetime as Stripe's whole seconds since 1970, rounded down."""
    return int(moment.timestamp() // 1)
