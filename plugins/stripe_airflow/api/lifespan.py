"""What begins and ends with the API server."""

from __future__ import annotations

import asyncio
import gc
import logging
from functools import cache
from typing import TYPE_CHECKING

from stripe_airflow.api.mutations.background import close_mutations
from stripe_airflow.api.streams.process import close_streams

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


@cache
def created_app() -> FastAPI:
    """The app. Every process of Airflow loads the plugin, but only the API server needs this."""
    from stripe_airflow.api.app import create_app

    return create_app()


class BeginsAndEndsWithServer:
    """Makes the app before the API server takes requests; ends writes and streams with it.

    Airflow runs the lifespan of mounted apps only if they are made when it loads plugins.

    Args:
        app: The API server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server (ASGI)."""

        async def send_lifespan(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await asyncio.to_thread(_prepare)
            elif message["type"] == "lifespan.shutdown.complete":
                await close_streams()
                await asyncio.to_thread(close_mutations)
            await send(message)

        await self._app(scope, receive, send_lifespan if scope["type"] == "lifespan" else send)


def _prepare() -> None:
    """Import everything and compile the templates, for which the first page would wait 2 s."""
    try:
        created_app()
        from stripe_airflow.ui.rendering import compile_templates

        compile_templates()
    except Exception:
        # Airflow's own pages must work; the first request tries again and gets the error.
        log.exception("The Stripe API and console cannot be loaded")
        return
    # Nothing of this is ever garbage. Looking through it took half a second of every 20th page.
    gc.freeze()
