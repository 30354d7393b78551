"""The mutations of this process: one event loop in a thread of its own for all requests.

A client that goes away ends no write. Waiting for Stripe takes none of the API server's threads.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from stripe_airflow.hooks.connections import SyncConnections

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class ClosesMutations:
    """Finishes the writes under way before the API server stops.

    Args:
        app: The API server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server (ASGI)."""

        async def closing(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete" and mutations.cache_info().currsize:
                await asyncio.to_thread(mutations().close)
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "lifespan" else send)
