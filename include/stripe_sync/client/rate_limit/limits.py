"""Request limits of an account, and the interface of a rate limiter."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol

from stripe_sync.errors import ConfigurationError


class Priority(StrEnum):
    """Priority of a request: live requests go before backfill requests.

    Attributes:
        LIVE: A change, or somebody, waits for the answer.
        BACKFILL: All others.
        RENEWAL: A backfill's request whose slot passed while its connection was opened: it goes
            first like a live one, and counts among the backfill's.
    """

    LIVE = "live"
    BACKFILL = "backfill"
    RENEWAL = "renewal"


class RequestKind(StrEnum):
    """What a request is for; requests are counted by it.

    Attributes:
        BACKFILL: A backfill.
        POLL: Polling, and what serves all: checks of keys, lists of connected accounts.
        RECONCILE: A reconcile.
        MUTATION: A mutation, or a call of the proxy.
    """

    BACKFILL = "backfill"
    POLL = "poll"
    RECONCILE = "reconcile"
    MUTATION = "mutation"


@dataclass(frozen=True, slots=True)
class PacingLimits:
    """Requests per second that one account allows in one mode.

    Attributes:
        total: All requests together.
        backfill: All requests of priority ``backfill`` together, within ``total``.
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
        """Stripe's documented limits in live mode; backfills use at most half of them."""
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
    """Decides when a request may be sent."""

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Wait until one request to this endpoint may be sent.

        Args:
            endpoint: Method and path template, ``GET /v1/customers/{customer}``.
            priority: Live requests are served first.

        Raises:
            WarehouseError: The shared budget cannot be reached.
        """
        ...

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Reduce the rate after Stripe answered 429.

        Args:
            endpoint: As for ``acquire``.
            reason: Stripe's ``Stripe-Rate-Limited-Reason``.
        """
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


class NoRateLimit:
    """Sends every request at once: for single checks of a key, and for benchmarks."""

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Return at once."""

    async def slow_down(self, endpoint: str, reason: str) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""
