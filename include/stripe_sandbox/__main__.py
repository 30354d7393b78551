"""The sandbox's command line."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from stripe_sandbox.seeds import demo_shop
from stripe_sandbox.server import HOST, SandboxApp, listen, make_server
from stripe_sandbox.settings import Settings, stripe_limits
from stripe_sandbox.state import state_file
from stripe_sandbox.state.sandbox_state import ACCOUNT, LIVE_KEY, TEST_KEY, State

DEFAULT_PORT = 12111

_logger = logging.getLogger(__name__)


def serve(
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="A loopback address.")] = HOST,
    seed: Annotated[str, typer.Option(help="What to start with: demo or nothing.")] = "nothing",
    state: Annotated[
        Path | None, typer.Option(help="File that keeps the data between two runs.")
    ] = None,
    limits: Annotated[bool, typer.Option(help="Apply Stripe's documented rate limits.")] = False,
) -> None:
    """Run a local Stripe until it is stopped."""
    if seed not in ("demo", "nothing"):
        message = f"--seed is demo or nothing, not {seed}"
        raise _fail(message)
    connection = _listen(port, host)
    current = _state(state, seed)
    if limits:
        current.settings.test_limits = stripe_limits(livemode=False)
        current.settings.live_limits = stripe_limits(livemode=True)
    app = SandboxApp(current)
    address, bound = connection.getsockname()[:2]
    typer.echo(f"Stripe sandbox on http://{address}:{bound} (keys {TEST_KEY}, {LIVE_KEY})")
    for ending in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal again when it has stopped, before the state is saved.
        signal.signal(ending, lambda *_: sys.exit(0))
    try:
        make_server(app).run([connection])
    finally:
        connection.close()
        if state is not None:
            state_file.save(app.holder.state, state)


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    typer.run(serve)


def _fail(message: str) -> typer.Exit:
    typer.echo(f"stripe-sandbox: {message}", err=True)
    return typer.Exit(1)


def _listen(port: int, host: str) -> socket.socket:
    try:
        return listen(port, host)
    except ValueError as error:
        raise _fail(str(error)) from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        message = f"cannot listen on {host}:{port}: {reason}"
        raise _fail(message) from None


def _state(path: Path | None, seed: str) -> State:
    if path is not None and path.exists():
        try:
            return state_file.load(path)
        except state_file.StateFileError as error:
            raise _fail(str(error)) from None
    fresh = State(Settings())
    if seed == "demo":
        counts = demo_shop.fill(fresh, fresh.modes[ACCOUNT, False])
        _logger.info("made %s objects in %s collections", sum(counts.values()), len(counts))
    return fresh


if __name__ == "__main__":
    main()
