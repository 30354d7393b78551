"""Progress lines in a task's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stripe_sync.sync.progress import Progress

_SECONDS_BETWEEN_LINES = 5.0
_MINUTE = 60


class ProgressLog:
    """Writes a line every few seconds.

    Args:
        log: Where to.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._next_line = 0.0

    def __call__(self, progress: Progress) -> None:
        """Take note; called after each transaction."""
        if progress.seconds < self._next_line:
            return
        self._next_line = progress.seconds + _SECONDS_BETWEEN_LINES
        share = "" if progress.percent is None else f" ({progress.percent:.0f} %)"
        left = "" if progress.seconds_left is None else f", {_span(progress.seconds_left)} left"
        self._log.info(
            "%s: %s objects%s, %s requests, %.0f objects/s, %s%s",
            progress.collection,
            progress.objects,
            share,
            progress.requests,
            progress.objects_per_second,
            _span(progress.seconds),
            left,
        )


def _span(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 5 s, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
