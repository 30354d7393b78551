"""When to poll next."""

from __future__ import annotations

from stripe_sync.sync.connections import SyncSettings

_SLOWER = 1.25


class Cadence:
    """The time from one poll of a sync to the next.

    Args:
        settings: The sync's; ``adaptive`` waits longer after each poll that found nothing.
        interval: Seconds, the shortest.
    """

    def __init__(self, settings: SyncSettings, interval: float) -> None:
        self._shortest = interval
        self._longest = interval
        if settings.cadence == "adaptive":
            self._longest = max(interval, settings.longest_poll_interval)
        self.seconds = interval

    def note(self, *, found: bool) -> None:
        """Note whether a poll found anything."""
        self.seconds = self._shortest if found else min(self._longest, self.seconds * _SLOWER)
