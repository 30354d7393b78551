"""The poll lease: one poller for each sync; when its process dies, another takes it over.

The supervisor renews it; who gets it is decided in ``warehouse/state/polls.py``.
"""

from __future__ import annotations

import asyncio

from stripe_sync.clock import Clock
from stripe_sync.errors import SyncBusy
from stripe_sync.warehouse import Sync, Warehouse

LEASE_SECONDS = 10.0
"""How long a lease lasts that is not renewed, so how long a dead poller blocks its sync."""

_RETRY_SECONDS = 0.2


async def acquire_lease(warehouse: Warehouse, sync: Sync, owner: str, clock: Clock) -> None:
    """Acquire the lease of a sync; wait one lease's time for a dead owner's to run out.

    Commits check the lease's owner, so a poller that lost its lease commits nothing.

    Raises:
        SyncBusy: Another poller keeps renewing it.
    """
    end = clock.monotonic() + LEASE_SECONDS + 1
    while not await asyncio.to_thread(
        warehouse.polls.acquire_lease, sync.id, owner, seconds=LEASE_SECONDS
    ):
        if clock.monotonic() >= end:
            message = f"sync {sync.name} is being polled by another process: stop one of the two"
            raise SyncBusy(message)
        await clock.sleep(_RETRY_SECONDS)
