"""The whole stack: starts in order, stops in reverse order."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from stripe_stack import ROOT, preflight
from stripe_stack.airflow import components
from stripe_stack.airflow.api import AirflowApi, connected
from stripe_stack.airflow.connections import stack_connections, store_connections
from stripe_stack.airflow.environment import airflow_environment, warehouse_url
from stripe_stack.current_sync import choose_sync, switch_sync
from stripe_stack.database.postgres import Postgres
from stripe_stack.errors import StackError
from stripe_stack.processes import Command, Processes
from stripe_stack.settings import Secrets, Settings, stack_secrets

DAGS = (
    *("stripe_backfill", "stripe_poll", "stripe_reconcile", "stripe_maintain", "stripe_dbt"),
    *("stripe_sync_admin", "stripe_replicate", "stripe_erase", "stripe_deliver"),
)

Report = Callable[[str], None]
"""Reports the start of a step to the user."""


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        settings: Its settings.
        secrets: Its passwords.
        processes: Its processes.
        api: Its Airflow.
        warehouse_url: Its warehouse.
        sync: The sync of the key in its settings.
    """

    settings: Settings
    secrets: Secrets
    processes: Processes
    api: AirflowApi
    warehouse_url: str
    sync: str


@contextmanager
def running(
    settings: Settings,
    report: Report,
    *,
    throwaway: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Start everything, and stop everything when the context ends, whatever happens.

    Args:
        settings: The settings of the stack.
        report: Called at each step.
        throwaway: Whether to empty the folder first, and to prefer speed to safety.
        environment: More variables for Airflow's processes.

    Raises:
        StackError: The stack cannot start; no process is left.
    """
    with ExitStack() as cleanup:
        cleanup.enter_context(only_one(settings.stack_dir))
        if throwaway:
            _empty(settings.stack_dir)
        make_folder(settings.folder)
        account_id = _check_first(settings)
        secrets = stack_secrets(settings.stack_dir)
        postgres = Postgres(settings, secrets)
        processes = cleanup.enter_context(Processes(settings.logs))
        report("Starting PostgreSQL")
        postgres.start(processes, durable=not throwaway)
        _start_sandbox(settings, processes, report, throwaway=throwaway)
        url = warehouse_url(settings, postgres)
        sync = choose_sync(settings, url, account_id)
        for done in switch_sync(settings, url, sync):
            report(done)
        variables = airflow_environment(settings, secrets, postgres, sync) | dict(environment or {})
        report("Preparing Airflow's database")
        components.prepare(settings, secrets, variables)
        wanted = stack_connections(settings, sync, url)
        home = Path(variables["AIRFLOW_HOME"])
        for problem in store_connections(wanted, home, secrets.fernet_key, variables):
            report(problem)
        _wait_for_sandbox(settings, processes)
        report("Starting Airflow")
        components.start(processes, variables, throwaway=throwaway)
        api = cleanup.enter_context(connected(settings, secrets, processes, dags=len(DAGS)))
        report("Airflow is ready")
        yield Stack(settings, secrets, processes, api, url, sync)
        report("Stopping")


@contextmanager
def postgres_of(settings: Settings) -> Iterator[tuple[Postgres, Secrets]]:
    """The embedded server for a command: the running stack's, or one that ends with the context."""
    make_folder(settings.folder)
    secrets = stack_secrets(settings.stack_dir)
    postgres = Postgres(settings, secrets)
    with ExitStack() as cleanup:
        if not postgres.runs:
            cleanup.enter_context(only_one(settings.stack_dir))
            processes = cleanup.enter_context(Processes(settings.logs))
            postgres.start(processes)
        yield postgres, secrets


def make_folder(folder: Path) -> None:
    """Make the stack's folder.

    Raises:
        StackError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        msg = f"The folder {folder} cannot be made ({error.strerror}): set STACK_DIR to another."
        raise StackError(msg) from error
    if not writable:
        msg = f"The folder {folder} cannot be written: set STACK_DIR to another."
        raise StackError(msg)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock the folder against a second stack."""
    make_folder(folder)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"Another stack is running in {folder}: stop that one, or set STACK_DIR."
            raise StackError(msg) from error
        yield


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


def _check_first(settings: Settings) -> str | None:
    """Check what must be right before the start. Returns the account of the key, where known."""
    ports = {"AIRFLOW_PORT": settings.airflow_port}
    if settings.uses_sandbox:
        ports["SANDBOX_PORT"] = settings.sandbox_port
    preflight.check_ports(ports)
    preflight.check_lake(settings)
    preflight.check_warehouse(settings)
    return None if settings.uses_sandbox else preflight.check_account(settings)


def _start_sandbox(
    settings: Settings, processes: Processes, report: Report, *, throwaway: bool
) -> None:
    if not settings.uses_sandbox:
        return
    report("Starting the sandbox Stripe")
    state = settings.folder / "sandbox.jsonl"
    argv = [sys.executable, "-m", "stripe_sandbox", "--port", str(settings.sandbox_port)]
    argv += ["--seed", "demo", "--state", str(state), "--limits"]
    ending = signal.SIGKILL if throwaway else signal.SIGTERM
    processes.start(Command("sandbox", argv, os.environ, ROOT, stop_signal=ending))


def _wait_for_sandbox(settings: Settings, processes: Processes) -> None:
    if not settings.uses_sandbox:
        return
    headers = {"Authorization": f"Bearer {settings.api_key}"}
    deadline = time.monotonic() + 30
    while True:
        processes.check()
        try:
            httpx.get(f"{settings.api_base}/v1/account", headers=headers).raise_for_status()
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                log = processes.log_of("sandbox")
                msg = f"The sandbox did not answer ({error}); see {log}"
                raise StackError(msg) from error
            time.sleep(0.1)
        else:
            return
