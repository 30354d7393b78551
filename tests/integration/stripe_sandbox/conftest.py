from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from integration.stripe_sandbox.api import Api
from stripe_sandbox.server import Running, running

NOW = 1_790_000_000


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture
def api(server: Running) -> Iterator[Api]:
    server.control.reset()
    server.control.clock(freeze=NOW)
    with httpx.Client(base_url=server.base_url) as client:
        yield Api(server, client)


@pytest.fixture(scope="module")
def shop() -> Iterator[Api]:
    """The demo's shop; tests do not change it."""
    with running() as server, httpx.Client(base_url=server.base_url) as client:
        server.control.clock(freeze=NOW)
        server.control.demo()
        yield Api(server, client)
