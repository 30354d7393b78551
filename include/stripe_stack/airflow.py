"""Airflow on this machine: its environment, its processes, its REST API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from typing import Any, Self
from urllib.parse import quote

import httpx
import psycopg

from stripe_stack.errors import StackError
from stripe_stack.postgres import Postgres
from stripe_stack.processes import Command, Processes
from stripe_stack.settings import ROOT, Secrets, Settings
from stripe_sync.records import canonical_json

USER = "admin"
POOL = "stripe_backfill"
POOL_SLOTS = 4
# Task logs are files that the API server reads itself: nobody need serve them.
_SCHEDULER = ("scheduler", "--skip-serve-logs")
_TRIGGERER = ("triggerer", "--skip-serve-logs")

# Without the triggerer: none of our tasks waits for it.
_HEALTHY = ("metadatabase", "scheduler", "dag_processor")


def airflow_environment(settings: Settings, secrets: Secrets, postgres: Postgres) -> dict[str, str]:
    """The whole environment of Airflow's processes.

    Connections come with it, so that keys and passwords stand in no database.
    """
    home = settings.stack_dir.resolve() / "airflow"
    options = {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": home / "plugins",  # empty: the package loads by its entry points
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "stripe_airflow.executor.WarmLocalExecutor",
        "CORE__PARALLELISM": 6,
        "CORE__FERNET_KEY": secrets.fernet_key,
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
        "DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow", "postgresql+psycopg2"),
        "DATABASE__CHECK_MIGRATIONS": False,  # prepare() sees to it, once for all components
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.25,
        # How long the tasks of a scheduler that was killed stay lying, live polling among them.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 30,
        "API__HOST": "127.0.0.1",
        "API__PORT": settings.airflow_port,
        "API__BASE_URL": base_url(settings),
        "API__SECRET_KEY": secrets.jwt_secret,
        "API_AUTH__JWT_SECRET": secrets.jwt_secret,
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    return {
        **inherited,
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{key}": str(value) for key, value in options.items()},
        **_connections(settings, postgres),
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        # Without the checkout on the path, where the package would be found a second time.
        "PYTHONSAFEPATH": "1",
    }


def base_url(settings: Settings) -> str:
    """Address of the UI."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def warehouse_url(settings: Settings, postgres: Postgres) -> str:
    """The warehouse: the one set, or the embedded one."""
    if settings.warehouse_url:
        return settings.warehouse_url.get_secret_value()
    return postgres.url("warehouse")


def _connections(settings: Settings, postgres: Postgres) -> dict[str, str]:
    warehouse: dict[str, Any] = dict(
        psycopg.conninfo.conninfo_to_dict(warehouse_url(settings, postgres))
    )
    connections = {
        "STRIPE_DEFAULT": {
            "conn_type": "stripe",
            "password": settings.api_key,
            "host": settings.api_base,
            "extra": {"account": settings.stripe_account} if settings.stripe_account else {},
        },
        "STRIPE_WAREHOUSE": {
            "conn_type": "postgres",
            "host": warehouse.pop("host", None),
            "port": int(warehouse.pop("port", None) or 5432),
            "login": warehouse.pop("user", None),
            "password": warehouse.pop("password", None),
            "schema": warehouse.pop("dbname", None),
            "extra": warehouse,
        },
        "STRIPE_LAKE": {"conn_type": "stripe_lake", "host": settings.lake},
    }
    return {
        f"AIRFLOW_CONN_{name}": canonical_json.dumps(fields).decode()
        for name, fields in connections.items()
    }


def prepare(settings: Settings, secrets: Secrets, environment: Mapping[str, str]) -> None:
    """Make Airflow's folder and bring its metadata database up to date.

    Raises:
        StackError: The migration failed; names its log.
    """
    home = settings.stack_dir.resolve() / "airflow"
    home.mkdir(exist_ok=True)
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_bytes(canonical_json.dumps({USER: secrets.admin_password}))
    # Airflow takes seconds to find that nothing is to be done, so a note says when that is so.
    note, version = home / "migrated", metadata.version("apache-airflow-core")
    if note.exists() and note.read_text() == version:
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
    note.write_text(version)


def start(processes: Processes, environment: Mapping[str, str], *, throwaway: bool = False) -> None:
    """Start Airflow's components; :meth:`AirflowApi.ready` tells when they answer.

    Args:
        processes: Who is to stop them.
        environment: Theirs, from :func:`airflow_environment`.
        throwaway: Whether tasks may be killed, and there is no need for the triggerer, which no
            task of ours uses.
    """

    def component(name: str, *options: str) -> Command:
        # They would take ten seconds to end, and they hold nothing that a kill could hurt.
        command = airflow_command(name, *options)
        return Command(name, command, environment, ROOT, stop_signal=signal.SIGKILL)

    processes.start(component("api-server"), component("dag-processor"))
    if not throwaway:
        processes.start(component(*_TRIGGERER))
    scheduler = component(*_SCHEDULER)
    if not throwaway:
        # Stopped first, with the tasks that it waits for, while there is an API they can tell.
        scheduler = replace(scheduler, stop_signal=signal.SIGTERM, stop_children=True)
    processes.start(scheduler)


def airflow_command(*args: str) -> list[str]:
    """Airflow's command line, as a program of this interpreter."""
    return [sys.executable, "-m", "stripe_stack.airflow_cli", *args]


class AirflowApi:
    """Airflow's REST API, as its user.

    Args:
        base: Address of the UI.
        password: The user's password.
    """

    def __init__(self, base: str, password: str) -> None:
        self._client = httpx.Client(base_url=base, timeout=30.0)
        self._password = password

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ready(self, dags: int) -> bool:
        """Whether all components are healthy and that many DAGs are there."""
        try:
            health = self._client.get("/api/v2/monitor/health").json()
            if any(health[part]["status"] != "healthy" for part in _HEALTHY):
                return False
            self._log_in()
            return int(self.call("GET", "/dags")["total_entries"]) >= dags
        except (httpx.TransportError, ValueError, KeyError):
            return False

    def token(self) -> str:
        """A token for the API, also good as the UI's cookie ``_token``."""
        answer = self._client.post(
            "/auth/token", json={"username": USER, "password": self._password}
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call below ``/api/v2``; returns the parsed answer.

        Raises:
            StackError: Airflow refused; says why.
        """
        answer = self._client.request(method, f"/api/v2{path}", json=body)
        if answer.is_error:
            msg = f"Airflow refused {method} {path} with {answer.status_code}: {answer.text[:300]}"
            raise StackError(msg)
        return answer.json() if answer.content else None

    def make_pool(self) -> None:
        """Make sure the pool of the backfill tasks is there; without it they would never run."""
        pools = self.call("GET", "/pools")["pools"]
        if all(pool["name"] != POOL for pool in pools):
            description = "Collections that are backfilled at the same time"
            body = {"name": POOL, "slots": POOL_SLOTS, "description": description}
            self.call("POST", "/pools", body)

    def unpause(self, dag: str) -> None:
        """Let the scheduler run a DAG."""
        self.call("PATCH", f"/dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.call("POST", f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """The runs of a DAG, newest first."""
        answer = self.call("GET", f"/dags/{dag}/dagRuns?order_by=-run_after&limit=20")
        return list(answer["dag_runs"])

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        path = f"/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances?limit=1000"
        return list(self.call("GET", path)["task_instances"])

    def xcom(self, dag: str, run: str, task: str, map_index: int = -1) -> Any:
        """What a task returned."""
        path = (
            f"/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}"
            f"/xcomEntries/return_value?map_index={map_index}&deserialize=true"
        )
        return self.call("GET", path)["value"]

    def _log_in(self) -> None:
        if "Authorization" not in self._client.headers:
            self._client.headers["Authorization"] = f"Bearer {self.token()}"


@contextmanager
def connected(settings: Settings, secrets: Secrets) -> Iterator[AirflowApi]:
    """The API of this stack's Airflow."""
    with AirflowApi(base_url(settings), secrets.admin_password) as api:
        yield api


def wait_until_ready(
    api: AirflowApi, processes: Processes, *, dags: int, seconds: float = 120.0
) -> None:
    """Wait until Airflow is up with that many DAGs.

    Raises:
        StackError: A process ended, or it takes too long.
    """
    deadline = time.monotonic() + seconds
    while not api.ready(dags):
        processes.check()
        if time.monotonic() > deadline:
            log = processes.log_of("scheduler")
            msg = f"Airflow was not ready within {seconds:.0f} s; see {log} and those beside it"
            raise StackError(msg)
        time.sleep(0.3)
