"""Lets the UI's Test button work for connections that have no port.

Airflow 3.3.2 compares the port of the request with the stored one. Its UI sends 0 for a field that
is empty or hidden, where the connection has none, and the answer is "host or port to test differs"
(apache/airflow#73298). A Stripe connection has no port: the 0 is taken out of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEST_PATH = "/api/v2/connections/test"

CONNECTION_TYPES = ("stripe", "stripe_lake")
"""Types without a port."""


class WithoutPortZero:
    """Takes port 0 out of requests to test a connection of our types; passes all others on.

    Args:
        app: The API server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        is_test = scope["type"] == "http" and scope["method"] == "POST"
        if is_test and str(scope["path"]).endswith(TEST_PATH):
            scope, receive = await _rewritten(scope, receive)
        await self._app(scope, receive, send)


async def _rewritten(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """The request with its body read, and without port 0."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return scope, _replay([message], receive)
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    body = without_port_zero(body)
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    whole: Message = {"type": "http.request", "body": body, "more_body": False}
    return {**scope, "headers": headers}, _replay([whole], receive)


def _replay(messages: list[Message], receive: Receive) -> Receive:
    async def replayed() -> Message:
        return messages.pop(0) if messages else await receive()

    return replayed


def without_port_zero(body: bytes) -> bytes:
    """The body of a test request, without ``port`` where it is 0 and the type is ours."""
    try:
        fields: Any = orjson.loads(body)
    except ValueError:
        return body
    if not isinstance(fields, dict) or fields.get("conn_type") not in CONNECTION_TYPES:
        return body
    if fields.get("port") != 0:
        return body
    del fields["port"]
    return orjson.dumps(fields)
