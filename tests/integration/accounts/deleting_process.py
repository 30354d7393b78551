"""A process that deletes a sync and kills itself after the first part."""

from __future__ import annotations

import os
import signal
import sys

from stripe_sync import delete_sync


def main(sync: str, warehouse_url: str, lake_url: str) -> None:
    """Delete; ``kill -9`` once something is gone."""

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    delete_sync(warehouse_url, sync, keep_data=False, lake_url=lake_url, progress=kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
