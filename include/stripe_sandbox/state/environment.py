"""The clock, the settings and the random numbers that all parts of a sandbox share."""

from __future__ import annotations

import random
import time
from base64 import b64encode

from stripe_sandbox.settings import Settings


class Clock:
    """The sandbox's time: the machine's, moved or stopped."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.frozen: float | None = None

    def now(self) -> float:
        """Seconds since 1970."""
        return self.frozen if self.frozen is not None else time.time_ns() / 1e9 + self.offset

    def advance(self, seconds: float) -> None:
        """Move forward (or back)."""
        if self.frozen is not None:
            self.frozen += seconds
        self.offset += seconds


class Environment:
    """What a sandbox's requests and Stripe events depend on, apart from stored objects.

    Args:
        settings: The settings at the start.

    Attributes:
        versions: The default version of each account; None for the settings' one.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = Clock()
        self.random = random.Random(self.settings.seed)  # noqa: S311 - chances, no secrets
        self.versions: dict[str, str | None] = {}

    def default_version(self, account: str) -> str:
        """The version of requests without a header, and of Stripe events."""
        return self.versions[account] or self.settings.api_version

    def new_id(self, prefix: str, length: int = 24) -> str:
        """A unique id; the order of ids is not that of their creation."""
        noise = b64encode(self.random.randbytes(length), altchars=b"Qz").decode("ascii")
        return prefix + noise[:length]
