"""Manners of this API: a login, known parameters only, errors in one shape, opaque cursors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.types import Message, Receive

from stripe_airflow.api.errors import ApiError, answer
from stripe_airflow.api.rights import authenticate

Item = TypeVar("Item")

MAX_BODY_BYTES = 1 << 20
"""Longest body of a request."""


class Strict(BaseModel):
    """A body without unknown names."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Route(APIRoute):
    """A route for callers who are logged in. No exception leaves it."""

    is_public = False
    takes_any_query = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, after the checks."""
        handler = super().get_route_handler()
        known = {field.alias for field in get_flat_dependant(self.dependant).query_params}

        async def handle(request: Request) -> Response:
            try:
                if not self.is_public:
                    await authenticate(request)
                if not self.takes_any_query:
                    _check_query(request, known)
                return await handler(Request(request.scope, _limited(request.receive)))
            except Exception as error:  # noqa: BLE001 - an unknown one is logged by answer
                return answer(error)

        return handle


class PublicRoute(Route):
    """A route for everybody."""

    is_public = True


def _limited(receive: Receive) -> Receive:
    """The same messages; an error where the body is too long."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body") or b"")
        if received > MAX_BODY_BYTES:
            # Of this class, because FastAPI makes a 400 of others.
            raise HTTPException(413, "the body is longer than 1 MiB: send it in parts")
        return message

    return limited


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


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A page of a list.

    Attributes:
        items: In the order of their names.
        cursor: Where the next page begins.
        has_more: Whether there is a next page.
    """

    items: list[Item]
    cursor: str | None
    has_more: bool


def page_of(items: Mapping[str, Item], after_cursor: str | None, limit: int) -> Page[Item]:
    """A page of items by name.

    Args:
        items: All items by name.
        after_cursor: The cursor of the page before; None for the first page.
        limit: Items of a page.

    Raises:
        ApiError: The cursor is none of ours.
    """
    after = _name_of(after_cursor)
    rest = sorted(name for name in items if name > after)
    page = rest[:limit]
    cursor = _cursor_of(page[-1]) if page else after_cursor
    return Page([items[name] for name in page], cursor, len(rest) > limit)


def _cursor_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _name_of(cursor: str | None) -> str:
    """The name that a page ended with.

    Raises:
        ApiError: The cursor is none of ours.
    """
    if cursor is None:
        return ""
    try:
        name = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        name = ""
    if not name or _cursor_of(name) != cursor:
        message = "after_cursor: this is no cursor of an earlier page"
        raise ApiError(400, "parameter_invalid", message, param="after_cursor")
    return name
