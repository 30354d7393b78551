"""The whole stack: started in order, stopped in reverse."""

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

from stripe_stack import airflow, preflight
from stripe_stack.airflow import AirflowApi
from stripe_stack.errors import StackError
from stripe_stack.postgres import Postgres
from stripe_stack.processes import Command, Processes
from stripe_stack.settings import ROOT, Secrets, Settings, stack_secrets

DAGS = ("stripe_backfill", "stripe_poll", "stripe_reconcile", "stripe_maintain", "stripe_dbt")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        settings: What it was started with.
        secrets: Its passwords.
        processes: Its processes.
        api: Its Airflow.
        warehouse_url: Its warehouse.
    """

    settings: Settings
    secrets: Secrets
    processes: Processes
    api: AirflowApi
    warehouse_url: str


@contextmanager
def running(
    settings: Settings,
    say: Say,
    *,
    throwaway: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Start everything, and stop it all when the context is left, however that happens.

    Args:
        settings: What to start.
        say: Told of each step.
        throwaway: Whether to begin with an empty folder, and with speed before safety.
        environment: Variables that Airflow's processes get besides.

    Raises:
        StackError: Something is in the way; nothing is left running.
    """
    with ExitStack() as cleanup:
        cleanup.enter_context(only_one(settings.stack_dir))
        if throwaway:
            _empty(settings.stack_dir)
        _look_first(settings)
        secrets = stack_secrets(settings.stack_dir)
        postgres = Postgres(settings, secrets)
        processes = cleanup.enter_context(Processes(settings.logs))
        say("Starting PostgreSQL")
        postgres.start(processes, durable=not throwaway)
        if settings.uses_sandbox:
            say("Starting the sandbox Stripe")
            processes.start(_sandbox(settings, throwaway=throwaway))
        variables = airflow.airflow_environment(settings, secrets, postgres)
        variables |= environment or {}
        say("Preparing Airflow's database")
        airflow.prepare(settings, secrets, variables)
        if settings.uses_sandbox:
            _wait_for_sandbox(settings, processes)
        say("Starting Airflow")
        airflow.start(processes, variables, throwaway=throwaway)
        api = cleanup.enter_context(airflow.connected(settings, secrets))
        airflow.wait_until_ready(api, processes, dags=len(DAGS))
        api.make_pool()
        say("Airflow is ready")
        warehouse = airflow.warehouse_url(settings, postgres)
        yield Stack(settings, secrets, processes, api, warehouse)
        say("Stopping")


@contextmanager
def postgres_of(settings: Settings) -> Iterator[tuple[Postgres, Secrets]]:
    """The embedded server, for a command beside the stack.

    It is the running stack's, or one that runs as long as the context lasts.
    """
    make_folder(settings.stack_dir)
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
    """Hold the folder, so that no second stack works in it."""
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


def _look_first(settings: Settings) -> None:
    ports = {"AIRFLOW_PORT": settings.airflow_port}
    if settings.uses_sandbox:
        ports["SANDBOX_PORT"] = settings.sandbox_port
    preflight.check_ports(ports)
    preflight.check_lake(settings)
    preflight.check_warehouse(settings)
    if not settings.uses_sandbox:
        preflight.check_account(settings)


def _sandbox(settings: Settings, *, throwaway: bool) -> Command:
    state = settings.stack_dir.resolve() / "sandbox.jsonl"
    argv = [sys.executable, "-m", "stripe_sandbox", "--port", str(settings.sandbox_port)]
    argv += ["--seed", "demo", "--state", str(state), "--limits"]
    ending = signal.SIGKILL if throwaway else signal.SIGTERM
    return Command(name="sandbox", argv=argv, env=os.environ, cwd=ROOT, stop_signal=ending)


def _wait_for_sandbox(settings: Settings, processes: Processes) -> None:
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
