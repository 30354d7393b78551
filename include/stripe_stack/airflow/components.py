"""Starts Airflow's components."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata

from stripe_stack import ROOT
from stripe_stack.airflow.environment import USER
from stripe_stack.errors import StackError
from stripe_stack.processes import Command, Processes
from stripe_stack.settings import Secrets, Settings
from stripe_sync.records import canonical_json

# Task logs are files that the API server reads itself, so no component needs to serve them.
_SCHEDULER = ("scheduler", "--skip-serve-logs")
_TRIGGERER = ("triggerer", "--skip-serve-logs")


def prepare(settings: Settings, secrets: Secrets, environment: Mapping[str, str]) -> None:
    """Make Airflow's folder and migrate its metadata database.

    Raises:
        StackError: The migration failed; the message names its log.
    """
    home = settings.folder / "airflow"
    home.mkdir(exist_ok=True)
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_bytes(canonical_json.dumps({USER: secrets.admin_password}))
    # Airflow needs seconds to find nothing to migrate; a file with its version avoids that.
    marker, version = home / "migrated", metadata.version("apache-airflow-core")
    if marker.exists() and marker.read_text() == version:
        return
    log = settings.logs / "db-migrate.log"
    with log.open("ab") as output:
        done = subprocess.run(
            airflow_command("db", "migrate"),
            env=dict(environment),
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        msg = f"Airflow's database could not be migrated; see {log}"
        raise StackError(msg)
    marker.write_text(version)


def start(processes: Processes, environment: Mapping[str, str], *, throwaway: bool = False) -> None:
    """Start Airflow's components; ``api.connected`` waits until they are ready.

    Args:
        processes: Stops them at the end.
        environment: Their environment, from :func:`airflow_environment`.
        throwaway: Whether tasks may be killed at the end, and the triggerer is left out, which no
            task of this project uses.
    """

    def component(name: str, *options: str) -> Command:
        # They would take ten seconds to end, and they have nothing that a kill could damage.
        command = airflow_command(name, *options)
        return Command(name, command, environment, ROOT, stop_signal=signal.SIGKILL)

    processes.start(component("api-server"), component("dag-processor"))
    if not throwaway:
        processes.start(component(*_TRIGGERER))
    scheduler = component(*_SCHEDULER)
    if not throwaway:
        # Stopped first, with the tasks that it waits for, while the API still takes their states.
        scheduler = replace(scheduler, stop_signal=signal.SIGTERM, stop_children=True)
    processes.start(scheduler)


def airflow_command(*args: str) -> list[str]:
    """A call of Airflow's command line with this interpreter."""
    return [sys.executable, "-m", "airflow", *args]
