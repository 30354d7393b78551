"""The clock. All code that reads the time or sleeps takes a ``Clock``."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


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


def to_unix(moment: datetime) -> int:
    """An aware datetime as Stripe's whole seconds since 1970, rounded down."""
    return int(moment.timestamp() // 1)
