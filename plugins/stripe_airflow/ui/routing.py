"""Routes of pages: a login, errors as HTML, headers that keep a page to itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from stripe_airflow.api.errors import ApiError, known_error
from stripe_airflow.api.routing import Route
from stripe_airflow.ui.rendering import Links, render_error

PREFIX = "/ui"
"""Path of the console in the plugin's app."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'self'; object-src 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every page: scripts and styles of this server only, shown in a frame of Airflow only."""


_THREADS = 12
"""Of the 40 that Airflow's API server has for all its routes: as many as pages may take to read,
and as many to write. The others stay free where the warehouse or Stripe does not answer."""

_reading, _writing = anyio.CapacityLimiter(_THREADS), anyio.CapacityLimiter(_THREADS)


class PageRoute(Route):
    """A route of a page, or of a part of one. No exception leaves it; it takes any query."""

    takes_any_query = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route; one that needs a thread waits for its turn without one."""
        handle = super().get_route_handler()
        if self.dependant.is_coroutine_callable:
            return handle
        turn = _reading if "GET" in self.methods else _writing

        async def in_turn(request: Request) -> Response:
            async with turn:
                return await handle(request)

        return in_turn

    async def finish(self, response: Response) -> Response:
        """The answer with the headers of a page."""
        response.headers.update(HEADERS)
        return response

    async def refuse(self, request: Request, error: Exception) -> Response:
        """A page that says what is wrong; for htmx a part of a page."""
        if isinstance(error, ValidationError):  # of a body that a page made of its form
            error = RequestValidationError(error.errors())
        elif isinstance(error, RecursionError):
            message = "this is nested too deeply for a page: open it level by level, or as JSON"
            error = ApiError(422, "nested_too_deeply", message)
        return await self.finish(render_error(request, known_error(error)))


def page_router() -> APIRouter:
    """The router of a page's module; paths begin after ``/ui``."""
    return APIRouter(prefix=PREFIX, route_class=PageRoute, include_in_schema=False)


def go(request: Request, path: str, **query: str | None) -> Response:
    """The answer to a form that leads to another page: ``console.js`` loads it.

    Args:
        request: The request.
        path: Path after ``/ui``, encoded.
        query: Query; values that are None are left out.
    """
    return Response(headers={"Stripe-Go": Links(request).page(path, **query)})
