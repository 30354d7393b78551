"""Routes with the manners of this API: a login, known parameters only, errors in one shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute

from stripe_airflow.api.errors import ApiError, answer
from stripe_airflow.api.rights import authenticate


class Route(APIRoute):
    """A route for callers who are logged in. No exception leaves it."""

    is_public = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, after the checks."""
        handler = super().get_route_handler()
        known = {field.alias for field in get_flat_dependant(self.dependant).query_params}

        async def handle(request: Request) -> Response:
            try:
                if not self.is_public:
                    await authenticate(request)
                _check_query(request, known)
                return await handler(request)
            except Exception as error:  # noqa: BLE001 - an unknown one is logged by answer
                return answer(error)

        return handle


class PublicRoute(Route):
    """A route for everybody."""

    is_public = True


def _check_query(request: Request, known: set[str]) -> None:
    """Refuse query parameters that the route does not have.

    Raises:
        ApiError: It has one.
    """
    for name in request.query_params:
        if name not in known:
            param = name[:64]
            message = f"{param}: there is no such parameter"
            raise ApiError(400, "parameter_unknown", message, param=param)
