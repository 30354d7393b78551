"""The right to poll a sync: one poller at a time, taken over when its holder dies."""

from __future__ import annotations

import asyncio
import os
import socket
from uuid import uuid4

from stripe_sync.clock import Clock
from stripe_sync.errors import SyncBusy
from stripe_sync.warehouse import Sync, Warehouse

LEASE_SECONDS = 10.0
"""How long a poller that died keeps others from its sync."""


def new_owner() -> str:
    """A name for a process that polls, unlike any other."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


async def take_lease(warehouse: Warehouse, sync: Sync, owner: str, clock: Clock) -> None:
    """Take the lease; a holder that died is given the time that its lease still runs.

    Commits carry the lease's owner, so a poller that lost it commits nothing.

    Raises:
        SyncBusy: Another poller keeps renewing it.
    """
    end = clock.monotonic() + LEASE_SECONDS + 1
    while not await asyncio.to_thread(
        warehouse.polls.acquire_lease, sync.id, owner, seconds=LEASE_SECONDS
    ):
        if clock.monotonic() >= end:
            message = (
                f"sync {sync.name} is being polled by another process; stop that one first, or let"
                " it be"
            )
            raise SyncBusy(message)
        await clock.sleep(0.2)
