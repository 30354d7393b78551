"""A process that erases a customer and kills itself after so many steps."""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

from stripe_sync import erase_customer


def main(warehouse_url: str, lake_url: str, sync: str, customer: str, steps: str) -> None:
    """Erase; ``kill -9`` at the end of step number ``steps``."""
    numbers = count(1)

    def die_in_time(*_: object) -> None:
        if next(numbers) == int(steps):
            os.kill(os.getpid(), signal.SIGKILL)

    erase_customer(warehouse_url, lake_url, sync, customer, progress=die_in_time)


if __name__ == "__main__":
    main(*sys.argv[1:])
