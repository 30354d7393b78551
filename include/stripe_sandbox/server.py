"""Runs the sandbox: in this process, or in a thread of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import uvicorn
from starlette.types import Receive, Scope, Send

from stripe_sandbox.connect.oauth_api import OAuthApi
from stripe_sandbox.control import SandboxControl
from stripe_sandbox.control_api import control_app
from stripe_sandbox.http.stripe_api import StripeApi
from stripe_sandbox.settings import Settings
from stripe_sandbox.state.sandbox_state import TEST_KEY, State, StateHolder

HOST = "127.0.0.1"


class SandboxApp:
    """The whole sandbox as one ASGI application.

    Args:
        state: The state at the start.
    """

    def __init__(self, state: State) -> None:
        self.holder = StateHolder(state)
        self._control = control_app()
        self._api = StripeApi(self.holder)
        self._oauth = OAuthApi(self.holder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the Stripe API, to Connect or to the control interface (ASGI)."""
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._control({**scope, "state": {"holder": self.holder}}, receive, send)
        elif scope["path"].startswith("/oauth/"):
            await self._oauth(scope, receive, send)
        else:
            await self._api(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Running:
    """A running sandbox.

    Attributes:
        base_url: Its address.
        api_key: A secret key of its test mode.
        control: A client of its control interface.
        app: The application itself.
    """

    base_url: str
    api_key: str
    control: SandboxControl
    app: SandboxApp


def listen(port: int, host: str = HOST) -> socket.socket:
    """A socket on the loopback address.

    Args:
        port: 0 for any that is free.
        host: A loopback address, because the control interface has no password.

    Raises:
        ValueError: The host is no loopback address.
        OSError: The port is in use.
    """
    if not ip_address(host).is_loopback:
        message = f"the sandbox listens on a loopback address only, not on {host}"
        raise ValueError(message)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(1024)
    except OSError:
        found.close()
        raise
    return found


def make_server(app: SandboxApp) -> uvicorn.Server:
    """A server for the sandbox: uvloop, httptools, no access log."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=1024,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        server_header=False,
        date_header=False,  # Date is the sandbox's time, which may be moved
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def running(settings: Settings | None = None, *, state: State | None = None) -> Iterator[Running]:
    """Run a sandbox in a thread, on a free port, until the context ends.

    Args:
        settings: The settings at the start.
        state: The state at the start, instead of an empty one.
    """
    app = SandboxApp(state or State(settings))
    server = make_server(app)
    connection = listen(0)
    base_url = f"http://{HOST}:{connection.getsockname()[1]}"
    thread = threading.Thread(
        target=server.run, args=([connection],), name="stripe-sandbox", daemon=True
    )
    thread.start()
    try:
        yield Running(base_url, TEST_KEY, SandboxControl(base_url), app)
    finally:
        server.should_exit = True
        thread.join(10)
        connection.close()
