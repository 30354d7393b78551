"""The request budget of an account: who may ask for how much, and who goes first."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol

from stripe_sync.errors import ConfigurationError


class Priority(StrEnum):
    """Who asks: live requests go before those of a backfill."""

    LIVE = "live"
    BACKFILL = "backfill"


@dataclass(frozen=True, slots=True)
class PacingLimits:
    """Requests per second that one account allows in one mode.

    Attributes:
        total: All requests together.
        backfill: Requests of the backfill lane together, within ``total``.
        per_endpoint: Requests to one endpoint, whatever ids they name.

    Raises:
        ConfigurationError: A limit is not a positive number, or ``backfill`` exceeds ``total``.
    """

    total: float
    backfill: float
    per_endpoint: float

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not (math.isfinite(value) and value > 0):
                message = (
                    f"pacing limit {limit.name!r} must be above zero requests per second, "
                    f"not {value!r}"
                )
                raise ConfigurationError(message)
        if self.backfill > self.total:
            message = (
                f"pacing limit 'backfill' ({self.backfill:g} requests per second) must not exceed "
                f"'total' ({self.total:g})"
            )
            raise ConfigurationError(message)

    @classmethod
    def live(cls) -> PacingLimits:
        """Stripe's documented limits in live mode; half of them is left to everything else."""
        return cls(total=100, backfill=50, per_endpoint=25)

    @classmethod
    def test(cls) -> PacingLimits:
        """Stripe's documented limits in test mode and sandboxes."""
        return cls(total=25, backfill=20, per_endpoint=25)

    @classmethod
    def for_key(cls, *, livemode: bool) -> PacingLimits:
        """The limits of a key's mode."""
        return cls.live() if livemode else cls.test()


class RateLimiter(Protocol):
    """Says when a request may leave."""

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Wait until one request to this endpoint may leave.

        Args:
            endpoint: Method and path template, ``GET /v1/customers/{customer}``.
            priority: Who asks.

        Raises:
            WarehouseError: The shared budget cannot be reached.
        """
        ...

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Take note that Stripe refused a request as one too many.

        Args:
            endpoint: As for ``acquire``.
            reason: Stripe's ``Stripe-Rate-Limited-Reason``.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


class NoRateLimit:
    """No pacing: for single checks of a key, and for benchmarks."""

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Return at once."""

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Nothing to slow down."""

    async def aclose(self) -> None:
        """Nothing to close."""
