"""What runs in a process that kills itself after so many steps of an erasure."""

from __future__ import annotations

import os
import signal
from itertools import count

from stripe_sync import erase_customer


def erase_and_die(warehouse_url: str, lake_url: str, sync: str, customer: str, steps: int) -> None:
    """Erase; ``kill -9`` at the end of step number ``steps``."""
    numbers = count(1)

    def die_in_time(*_: object) -> None:
        if next(numbers) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    erase_customer(warehouse_url, lake_url, sync, customer, progress=die_in_time)
