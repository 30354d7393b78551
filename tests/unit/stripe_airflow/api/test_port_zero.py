"""Requests of the UI to test a connection that has no port."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from stripe_airflow.api.port_zero import TEST_PATH, WithoutPortZero


async def _echo(request: Request) -> JSONResponse:
    return JSONResponse({"body": (await request.body()).decode()})


@pytest.fixture
def client() -> TestClient:
    routes = [Route(path, _echo, methods=["POST"]) for path in (TEST_PATH, "/other")]
    return TestClient(WithoutPortZero(Starlette(routes=routes)))


def sent(client: TestClient, body: bytes, path: str = TEST_PATH) -> bytes:
    """The body as it arrives behind the middleware."""
    answer: str = client.post(path, content=body).json()["body"]
    return answer.encode()


@pytest.mark.parametrize("conn_type", ["stripe", "stripe_lake"])
def test_port_zero_of_our_types_is_taken_out(client: TestClient, conn_type: str) -> None:
    fields: dict[str, Any] = {"conn_type": conn_type, "connection_id": "x", "host": ""}
    assert orjson.loads(sent(client, orjson.dumps({**fields, "port": 0}))) == fields


@pytest.mark.parametrize(
    "body",
    [
        b'{"conn_type": "postgres", "port": 0}',
        b'{"conn_type": "stripe", "port": 12111}',
        b'{"conn_type": "stripe"}',
        b"[0]",
        b"no json",
        b"",
    ],
)
def test_everything_else_passes_as_it_is(client: TestClient, body: bytes) -> None:
    assert sent(client, body) == body


def test_other_routes_pass_as_they_are(client: TestClient) -> None:
    body = b'{"conn_type": "stripe", "port": 0}'
    assert sent(client, body, "/other") == body
