"""What runs in a process that kills itself after the first part of a deletion."""

from __future__ import annotations

import os
import signal

from stripe_sync import delete_sync


def delete_and_die(sync: str, warehouse_url: str, lake_url: str) -> None:
    """Delete; ``kill -9`` once something is gone."""

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    delete_sync(warehouse_url, sync, keep_data=False, lake_url=lake_url, progress=kill)
