"""Reads requests and sends responses over ASGI; breaks connections on purpose."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from stripe_sandbox.errors import ApiError

_JSON = (b"content-type", b"application/json")


def headers(scope: Scope) -> dict[str, str]:
    """The headers of a request; ASGI has their names in lower case."""
    return {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def send_json(send: Send, status: int, body: bytes, extra: Mapping[str, str]) -> None:
    """Send a JSON response."""
    await _start(send, status, body, extra)
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: ApiError, extra: Mapping[str, str]) -> None:
    """Send an error response."""
    await send_json(
        send, error.status, orjson.dumps({"error": error.body}), {**extra, **error.headers}
    )


async def send_truncated(send: Send, body: bytes, extra: Mapping[str, str]) -> None:
    """Send the length of the whole body and half of it, and close the connection."""
    await _start(send, 200, body, extra)
    half = body[: len(body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    _transport(send).close()


async def reset_connection(receive: Receive, send: Send) -> None:
    """Reset the connection without a response."""
    transport = _transport(send)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, body: bytes, extra: Mapping[str, str]) -> None:
    lines = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in extra.items()]
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [_JSON, length, *lines]}
    )


def _transport(send: Send) -> Any:
    """The connection below the server's ``send`` (a method of its request cycle)."""
    return send.__self__.transport  # type: ignore[attr-defined]
