"""The mutations of this process: one event loop in a thread of its own for all requests.

A client that goes away ends no write. Waiting for Stripe takes none of the API server's threads.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from stripe_airflow.hooks.connections import SyncConnections

if TYPE_CHECKING:
    from stripe_sync import BackgroundMutations


@cache
def connections() -> SyncConnections:
    """The connections of all syncs, as of some seconds ago at most."""
    return SyncConnections()


@cache
def mutations() -> BackgroundMutations:
    """The sessions of all syncs; opened when they are first used."""
    # Imported here: every process of Airflow loads the plugin, which imports this module.
    from stripe_sync import BackgroundMutations

    return BackgroundMutations(connections())


async def name_of(sync_id: str) -> str:
    """Name of a sync, by its name or its id.

    Raises:
        SyncNotFound: There is no such sync.
        WarehouseError: The warehouse cannot be reached.
    """
    return await asyncio.to_thread(connections().name_of, sync_id)


def close_mutations() -> None:
    """Finish the writes under way."""
    if mutations.cache_info().currsize:
        mutations().close()
