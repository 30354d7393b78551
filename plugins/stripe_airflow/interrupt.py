"""Stopping a task that is in the middle of a long call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGTERM


class InterruptibleMixin:
    """Mixed into an operator: ends a long call as soon as Airflow asks the task to stop.

    Airflow's handler for SIGTERM calls ``on_kill`` and then lets ``execute`` go on. Leaving from
    within ``on_kill`` unwinds the call, so that it closes its connections; what it has committed
    stays, and the next try goes on from there. Leaving by ``SystemExit`` keeps the retries.
    """

    _interruptible = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within this block a request to stop takes effect at once."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def on_kill(self) -> None:
        """Called by Airflow when the task shall stop."""
        if self._interruptible:
            self._interruptible = False  # a second request must not cut the unwinding short
            raise SystemExit(128 + SIGTERM)
