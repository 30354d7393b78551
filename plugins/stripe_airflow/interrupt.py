"""Stop a task in the middle of a long call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGTERM


class InterruptibleMixin:
    """Lets an operator end a long call as soon as Airflow stops the task.

    Airflow's SIGTERM handler calls ``on_kill`` and returns to ``execute``. ``on_kill`` raises
    ``SystemExit`` there, so that the call is unwound and closes its connections. Committed data
    stays, and the next try continues after it. ``SystemExit`` leaves the task its retries.
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
        """Called by Airflow to stop the task.

        Raises:
            SystemExit: The task is within :meth:`interruptible`.
        """
        if self._interruptible:
            self._interruptible = False  # a second request must not interrupt the unwinding
            raise SystemExit(128 + SIGTERM)
