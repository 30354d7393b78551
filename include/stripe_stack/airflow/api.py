"""Airflow's REST API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import quote

import httpx

from stripe_stack.airflow.environment import USER, base_url
from stripe_stack.errors import StackError
from stripe_stack.processes import Processes
from stripe_stack.settings import Secrets, Settings

POOL = "stripe_backfill"
POOL_SLOTS = 4

# Seconds. Its first answers may take long: 34 s were seen on a busy machine while tasks began.
_TIMEOUT = 120.0

# Without the triggerer: no task of this project waits for it.
_HEALTHY = ("metadatabase", "scheduler", "dag_processor")


class AirflowApi:
    """A client of Airflow's REST API.

    Args:
        base: Address of the UI.
        password: The user's password.
    """

    def __init__(self, base: str, password: str) -> None:
        self._client = httpx.Client(base_url=base, timeout=_TIMEOUT)
        self._password = password

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ready(self, dags: int) -> bool:
        """Whether all components are healthy and Airflow has that many DAGs."""
        try:
            health = self._client.get("/api/v2/monitor/health").json()
            if any(health[part]["status"] != "healthy" for part in _HEALTHY):
                return False
            self._log_in()
            return int(self.call("GET", "/dags")["total_entries"]) >= dags
        except (httpx.TransportError, StackError, ValueError, KeyError):
            return False

    def token(self) -> str:
        """A token for the API and for the UI's cookie ``_token``."""
        response = self._client.post(
            "/auth/token", json={"username": USER, "password": self._password}
        )
        response.raise_for_status()
        return str(response.json()["access_token"])

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call below ``/api/v2``. Returns the parsed response.

        Raises:
            StackError: Airflow refused the call, or did not answer.
        """
        try:
            response = self._client.request(method, f"/api/v2{path}", json=body)
        except httpx.TransportError as error:
            msg = f"Airflow did not answer {method} {path} ({error}): see its logs"
            raise StackError(msg) from error
        if response.is_error:
            reason = f"{response.status_code}: {response.text[:300]}"
            msg = f"Airflow refused {method} {path} with {reason}"
            raise StackError(msg)
        return response.json() if response.content else None

    def make_pool(self) -> None:
        """Create the pool of the backfill tasks if it is missing; without it they never run."""
        pools = self.call("GET", "/pools")["pools"]
        if all(pool["name"] != POOL for pool in pools):
            description = "Collections that are backfilled at the same time"
            body = {"name": POOL, "slots": POOL_SLOTS, "description": description}
            self.call("POST", "/pools", body)

    def unpause(self, dag: str) -> None:
        """Let the scheduler run a DAG."""
        self.call("PATCH", f"/dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run. Returns its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.call("POST", f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """The runs of a DAG, newest first."""
        response = self.call("GET", f"/dags/{dag}/dagRuns?order_by=-run_after&limit=20")
        return list(response["dag_runs"])

    def end_run(self, dag: str, run: str) -> None:
        """Let a run fail now, with its tasks."""
        self.call("PATCH", f"/dags/{dag}/dagRuns/{quote(run, safe='')}", {"state": "failed"})

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        path = f"/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances?limit=1000"
        return list(self.call("GET", path)["task_instances"])

    def xcom(self, dag: str, run: str, task: str, map_index: int = -1) -> Any:
        """The return value of a task."""
        path = (
            f"/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}"
            f"/xcomEntries/return_value?map_index={map_index}&deserialize=true"
        )
        return self.call("GET", path)["value"]

    def _log_in(self) -> None:
        if "Authorization" not in self._client.headers:
            self._client.headers["Authorization"] = f"Bearer {self.token()}"


@contextmanager
def connected(
    settings: Settings, secrets: Secrets, processes: Processes, *, dags: int
) -> Iterator[AirflowApi]:
    """A client of this stack's Airflow, which is ready with that many DAGs and has its pool.

    Raises:
        StackError: A process has ended, or Airflow is not ready in time.
    """
    with AirflowApi(base_url(settings), secrets.admin_password) as api:
        _wait_until_ready(api, processes, dags=dags)
        api.make_pool()
        yield api


def _wait_until_ready(
    api: AirflowApi, processes: Processes, *, dags: int, seconds: float = 120.0
) -> None:
    deadline = time.monotonic() + seconds
    while not api.ready(dags):
        processes.check()
        if time.monotonic() > deadline:
            log = processes.log_of("scheduler")
            msg = f"Airflow was not ready within {seconds:.0f} s; see {log} and the logs beside it"
            raise StackError(msg)
        time.sleep(0.3)
