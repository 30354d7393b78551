"""The benchmarks' own PostgreSQL server and sandbox, each in its own process."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from databases import new_database
from stripe_sandbox.control import SandboxControl
from stripe_sandbox.settings import stripe_limits
from stripe_stack.database.postgres import Postgres
from stripe_stack.processes import Processes
from stripe_stack.settings import Settings, stack_secrets
from stripe_sync.client import Credential
from stripe_sync.sync.connections import Connections, SyncSettings

SYNC = "bench"
KEY = "sk_live_sandbox"
UNLIMITED = {
    "requests_per_second": 1e6,
    "total_requests_per_second": 1e6,
    "endpoint_requests_per_second": 1e6,
}
_STARTUP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    """A server, a sandbox, a folder.

    Attributes:
        postgres_url: A server with rights to create databases.
        control: Controls the sandbox.
        folder: For lakes.
        console: Receives progress lines.
        began: When the benchmarks began.
    """

    postgres_url: str
    control: SandboxControl
    folder: Path
    console: Console
    began: float = field(default_factory=time.monotonic)

    def log(self, text: str) -> None:
        """Print a progress line."""
        self.console.print(f"[dim]{time.monotonic() - self.began:6.0f} s[/]  {text}")

    def sandbox(self, *, latency: float, limited: bool) -> None:
        """Empty the sandbox; give it Stripe's live limits, if ``limited``."""
        self.control.reset()
        limits: dict[str, Any] = {}
        if limited:
            limits["live_limits"] = stripe_limits(livemode=True).model_dump()
        self.control.settings(latency=latency, **limits)

    @contextmanager
    def sync(self, **settings: Any) -> Iterator[Connections]:
        """A sync that was never run: an empty warehouse, an empty lake."""
        with (
            new_database(self.postgres_url) as url,
            tempfile.TemporaryDirectory(dir=self.folder) as lake,
        ):
            yield Connections(
                Credential(KEY, self.control.base_url), url, lake, SyncSettings(**settings)
            )


@contextmanager
def bench_environment(console: Console) -> Iterator[BenchEnvironment]:
    """Start server and sandbox for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        # The embedded server of ``make up``, with its settings.
        settings = Settings(stack_dir=folder / "stack")
        settings.logs.mkdir(parents=True)
        postgres = Postgres(settings, stack_secrets(settings.stack_dir))
        with Processes(settings.logs) as processes, _sandbox_process() as control:
            postgres.start(processes)
            yield BenchEnvironment(postgres.url("postgres"), control, folder, console)


@contextmanager
def _sandbox_process() -> Iterator[SandboxControl]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        control = SandboxControl(f"http://127.0.0.1:{port}")
        _wait_for(control, process)
        yield control
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(control: SandboxControl, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while True:
        try:
            control.stats()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
