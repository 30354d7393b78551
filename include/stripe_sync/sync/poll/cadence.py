"""The time between two polls of a sync, fixed or adaptive."""

from __future__ import annotations

from stripe_sync.sync.connections import SyncSettings

_GROWTH = 1.25


class Cadence:
    """Seconds from one poll of a sync to the next.

    Args:
        settings: The sync's settings. With cadence ``adaptive`` the wait grows by a quarter after
            each poll that found nothing, up to ``longest_poll_interval``.
        interval: The shortest wait, in seconds.
        quiet: Seconds since the newest Stripe event: the wait is the one that an uninterrupted
            poller would have reached since.

    Attributes:
        seconds: The current wait.
    """

    def __init__(self, settings: SyncSettings, interval: float, quiet: float = 0.0) -> None:
        self._shortest = interval
        self._longest = interval
        if settings.cadence == "adaptive":
            self._longest = max(interval, settings.longest_poll_interval)
        # The waits so far, a geometric series, add up to the time since then.
        self.seconds = min(self._longest, interval + max(0.0, quiet) * (_GROWTH - 1))

    def update(self, *, found: bool) -> None:
        """Adapt the wait to whether the last poll found new Stripe events."""
        self.seconds = self._shortest if found else min(self._longest, self.seconds * _GROWTH)
