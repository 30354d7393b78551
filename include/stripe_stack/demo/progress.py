"""Prints the progress of the demo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

_LINE_INTERVAL = 5.0
"""Seconds between two lines about the same wait, without a terminal."""

_STATUS_INTERVAL = 1.0
"""Seconds between two updates of the status line, on a terminal."""


class Progress:
    """Prints lines; on a terminal, updates the last one while something runs.

    Args:
        console: Gets the lines.
        started: Start of the demo (monotonic).
    """

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started

    def note(self, text: str) -> None:
        """Print the start of a step."""
        self._console.print(f"[dim]{self._seconds():5.1f} s[/dim]  {text}")

    @contextmanager
    def waiting(self) -> Iterator[Callable[[Callable[[], str]], str | None]]:
        """Print the state of a long wait.

        Call the function of the context often, with one that describes the state. It calls that
        only when an update is due, and returns the description then.
        """
        with self._console.status("") as status:
            live = self._console.is_terminal
            updated = time.monotonic()

            def update(describe: Callable[[], str]) -> str | None:
                nonlocal updated
                if time.monotonic() - updated < (_STATUS_INTERVAL if live else _LINE_INTERVAL):
                    return None
                updated = time.monotonic()
                description = describe()
                if live:
                    status.update(f"{self._seconds():5.1f} s  Waiting {description}")
                else:
                    self.note(f"  Waiting {description}")
                return description

            yield update

    def _seconds(self) -> float:
        return time.monotonic() - self._started
