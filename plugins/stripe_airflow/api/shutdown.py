"""What ends with the API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from stripe_airflow.api.mutations.background import close_mutations
from stripe_airflow.api.streams.process import close_streams

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ClosesAtShutdown:
    """Finishes the writes under way and closes the streams before the API server ends.

    Airflow runs the lifespan of mounted apps only if they are made when it starts; ours is made at
    its first request.

    Args:
        app: The API server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server (ASGI)."""

        async def closing(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await close_streams()
                await asyncio.to_thread(close_mutations)
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "lifespan" else send)
