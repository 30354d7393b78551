"""Reports in task logs: progress lines and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stripe_sync import Progress

_SECONDS_BETWEEN_LINES = 5.0
_MINUTE = 60
_LEFT_ALIGNED = ("sync", "collection", "status", "message")


class ProgressLog:
    """Logs a progress line at most every 5 seconds.

    Args:
        log: The task's logger.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._next_line = 0.0

    def __call__(self, progress: Progress) -> None:
        """Log the progress if a line is due; called after each transaction."""
        if progress.seconds < self._next_line:
            return
        self._next_line = progress.seconds + _SECONDS_BETWEEN_LINES
        share = "" if progress.percent is None else f" ({progress.percent:.0f} %)"
        left = "" if progress.seconds_left is None else f", {_duration(progress.seconds_left)} left"
        self._log.info(
            "%s: %s objects%s, %s requests, %.0f objects/s, %s%s",
            progress.collection,
            progress.objects,
            share,
            progress.requests,
            progress.objects_per_second,
            _duration(progress.seconds),
            left,
        )


def _duration(seconds: float) -> str:
    """Seconds as text: 42 s, 3 min 5 s, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def format_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned text, with a header line; numbers are right-aligned, None is blank."""
    cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in _LEFT_ALIGNED else text.rjust(width)
            for column, text, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else str(value)
