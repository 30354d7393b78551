"""The whole stack in real processes, as ``make up`` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from e2e.browser import chromium, log_in
from stripe_stack.airflow.api import AirflowApi
from stripe_stack.database.postgres import Postgres
from stripe_stack.settings import Settings, free_port, stack_secrets

START_SECONDS = 120
RUN_SECONDS = 180


@dataclass(frozen=True)
class Up:
    """A running ``make up``.

    Attributes:
        process: Its process.
        ports: Its ports, by the names of their settings.
        base: Address of the UI.
        api: Airflow's API, logged in.
        token: What the UI's cookie ``_token`` must hold.
        sandbox: Address of the sandbox.
        stack_dir: Its folder.
        folder: The folder of its databases, lake and logs.
        greeting: What it printed before it was ready.
        first_status: Rows of ``stripe.poll_status`` and ``stripe.sync_status`` at that moment.
    """

    process: subprocess.Popen[str]
    ports: dict[str, int]
    base: str
    api: AirflowApi
    token: str
    sandbox: str
    stack_dir: Path
    folder: Path
    greeting: str
    first_status: tuple[int, int]

    def finished(self, dag: str) -> dict[str, Any]:
        """Wait until the newest run of a DAG has ended; returns it."""
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            runs = self.api.runs(dag)
            if runs and runs[0]["state"] in {"success", "failed"}:
                return runs[0]
            time.sleep(0.5)
        pytest.fail(f"{dag} did not end: {self.api.runs(dag)}")

    def newest(self, dag: str) -> dict[str, Any]:
        """The newest run of a DAG."""
        newest: dict[str, Any] = self.api.runs(dag)[0]
        return newest

    def stop(self) -> None:
        """Stop it, unless that was done."""
        if self.process.returncode is None:
            stop(self.process, self.stack_dir)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the test that stops the stack behind all that need it."""
    items.sort(key=lambda item: item.path.name == "test_restart.py")


def start(stack_dir: Path, **settings: object) -> subprocess.Popen[str]:
    """Start the stack in a folder."""
    unset = dict.fromkeys(
        ("STRIPE_API_KEY", "STRIPE_API_BASE", "STRIPE_ACCOUNT", "WAREHOUSE_URL", "LAKE_URL"), ""
    )
    given = {**unset, "STACK_DIR": stack_dir, **settings}
    airflow = {name for name in os.environ if name.startswith("AIRFLOW")}
    environment = {name: value for name, value in os.environ.items() if name not in airflow}
    return subprocess.Popen(
        [sys.executable, "-m", "stripe_stack.cli", "up"],
        env=environment | {name: str(value) for name, value in given.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def warehouse_url(stack_dir: Path, key: str | None = None) -> str:
    """The warehouse of the stack in a folder: the one of a key, or the sandbox's."""
    settings = Settings(stack_dir=stack_dir, stripe_api_key=key)
    return Postgres(settings, stack_secrets(stack_dir)).url("warehouse")


def read_status(stack_dir: Path) -> tuple[int, int]:
    """Number of rows of the two status views."""
    with psycopg.connect(warehouse_url(stack_dir)) as connection:
        query = """
            SELECT (SELECT count(*) FROM stripe.poll_status),
                (SELECT count(*) FROM stripe.sync_status)
        """
        [row] = connection.execute(query).fetchall()
        return row


def newest_customer(up: Up) -> str:
    """Id of the newest customer of the sandbox."""
    login = {"Authorization": "Bearer sk_test_sandbox"}
    found = httpx.get(f"{up.sandbox}/v1/customers", params={"limit": 1}, headers=login)
    return str(found.json()["data"][0]["id"])


def greeting(process: subprocess.Popen[str]) -> str:
    """What it prints until it is ready."""
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if "Ctrl-C stops everything" in line:
            return "".join(lines)
    pytest.fail("the stack ended at once:\n" + "".join(lines))


def stop(process: subprocess.Popen[str], stack_dir: Path) -> None:
    """Press Ctrl-C, and see that nothing is left."""
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    left = [p for p in psutil.process_iter(["cmdline"]) if str(stack_dir) in str(p.info["cmdline"])]
    assert left == []


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The stack with the demo's data, started once for all tests here."""
    stack_dir = tmp_path_factory.mktemp("stack")
    ports = {"AIRFLOW_PORT": free_port(), "SANDBOX_PORT": free_port()}
    # Short runs of stripe_poll, so that several follow each other while the tests last.
    process = start(stack_dir, **ports, STRIPE_POLL_RUN_SECONDS=30)
    try:
        said = greeting(process)
        base, sandbox = (f"http://127.0.0.1:{port}" for port in ports.values())
        with AirflowApi(base, stack_secrets(stack_dir).admin_password) as api:
            assert api.ready(3)
            running = Up(
                process=process,
                ports=ports,
                base=base,
                api=api,
                token=api.token(),
                sandbox=sandbox,
                stack_dir=stack_dir,
                folder=Settings(stack_dir=stack_dir).folder,
                greeting=said,
                first_status=read_status(stack_dir),
            )
            yield running
        running.stop()
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture(scope="package")
def browser(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that is logged in; one for all tests here."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        log_in(browser, up.base, up.token)
        yield browser
