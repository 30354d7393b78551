"""Outages: growing waits between the tries of something that fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from stripe_sync.errors import PERMANENT, WarehouseError

log = logging.getLogger(__name__)

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 15.0
# After an error that stays until somebody changes a key, a permission or a setting.
_LONGEST_WAIT_PERMANENT = 60.0


@dataclass(slots=True)
class Backoff:
    """Waits of 1, 2, 4 … seconds between tries, at most 15, or 60 after an error of ``PERMANENT``.

    Attributes:
        failures: Failures since the last success.
        due_at: Monotonic seconds from which the next try is due.
    """

    failures: int = 0
    due_at: float = 0.0

    def fail(self, error: Exception, now: float) -> float:
        """Count a failure.

        Args:
            error: What failed; one that waiting cannot cure is tried again more rarely.
            now: Monotonic seconds.

        Returns:
            Seconds until the next try.
        """
        permanent = isinstance(error, PERMANENT)
        longest = _LONGEST_WAIT_PERMANENT if permanent else _LONGEST_WAIT
        wait = min(_FIRST_WAIT * 2.0 ** min(self.failures, 30), longest)
        self.failures += 1
        self.due_at = now + wait
        return wait

    def is_due(self, now: float) -> bool:
        """Whether the next try is due at these monotonic seconds."""
        return now >= self.due_at

    def reset(self) -> None:
        """Count a success: the next try is due at once."""
        self.failures, self.due_at = 0, 0.0


@dataclass(slots=True)
class Outage:
    """An outage of the warehouse, as far as there is one.

    Attributes:
        error: Why the warehouse cannot be used; None while it can.
        backoff: When it is tried again.
    """

    error: WarehouseError | None = None
    backoff: Backoff = field(default_factory=Backoff)

    def add(self, error: WarehouseError, now: float) -> float:
        """Count a failed try at these monotonic seconds; returns the wait until the next one."""
        self.error = error
        wait = self.backoff.fail(error, now)
        log.warning("Waiting for the warehouse, next try in %.0f s: %s", wait, error)
        return wait

    def end(self) -> bool:
        """The warehouse answers. Returns whether there was an outage before."""
        if self.error is None:
            return False
        log.info("The warehouse can be reached again")
        self.error = None
        self.backoff.reset()
        return True
