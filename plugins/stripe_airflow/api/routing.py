"""Manners of this API: a login, known parameters only, errors in one shape, opaque cursors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict
from starlette.types import Message, Receive

from stripe_airflow.api.errors import ApiError, answer
from stripe_airflow.api.rights import authenticate

Item = TypeVar("Item")

MAX_BODY_BYTES = 1 << 20
"""Longest body of a request."""

_MOST_DIGITS = 18
_DEEPEST = 20
_LARGEST = 1 << 63


class Strict(BaseModel):
    """A body without unknown names."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def storable(value: Any) -> Any:
    """The same value.

    Raises:
        ValueError: It cannot be stored: it has a NUL, half of a character (an unpaired
            surrogate) or a number of more than 64 bits, or is nested too deeply.
    """
    _check_storable(value, 0)
    return value


StorableValues = Annotated[dict[str, Any], BeforeValidator(storable)]
StorableText = Annotated[str, BeforeValidator(storable)]


def _check_storable(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        message = f"it is nested deeper than {_DEEPEST} levels"
        raise ValueError(message)
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            message = "a text has a character that cannot be stored (NUL or an unpaired surrogate)"
            raise ValueError(message)
    elif isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            message = "a number has more than 64 bits"
            raise ValueError(message)
    elif isinstance(value, dict):
        for name, each in value.items():
            _check_storable(name, depth + 1)
            _check_storable(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check_storable(each, depth + 1)


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
                _check_length(request)
                response = await handler(Request(request.scope, _limited(request.receive)))
                return await self.finish(response)
            except Exception as error:  # noqa: BLE001 - an unknown one is logged by known_error
                return await self.refuse(request, error)

        return handle

    async def finish(self, response: Response) -> Response:
        """The answer as it is sent."""
        return response

    async def refuse(self, request: Request, error: Exception) -> Response:
        """The answer to an exception."""
        return answer(error)


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
            raise _too_long()
        return message

    return limited


def _check_length(request: Request) -> None:
    """Refuse a body that says itself that it is too long, before any of it is read.

    Raises:
        HTTPException: 413.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > _MOST_DIGITS or int(length) > MAX_BODY_BYTES):
        raise _too_long()


def _too_long() -> HTTPException:
    # Of this class, because FastAPI makes a 400 of others.
    return HTTPException(413, "the body is longer than 1 MiB: send it in parts")


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
