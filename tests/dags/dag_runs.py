"""Runs of DAGs that are triggered, answered and cleared through Airflow's API, step by step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dags.api_server import ApiServer


def add_dag(dag: Any) -> Any:
    """Give Airflow's database a DAG that no file has."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    bag = DagBag(os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return dag


@contextmanager
def paused(*dag_ids: str) -> Iterator[None]:
    """Pause exactly these of all DAGs."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    def pause(dag_ids: Iterable[str]) -> set[str]:
        with create_session() as session:
            dags = session.query(DagModel).all()
            before = {dag.dag_id for dag in dags if dag.is_paused}
            for dag in dags:
                dag.is_paused = dag.dag_id in dag_ids
        return before

    before = pause(dag_ids)
    yield
    pause(before)


class DagRun:
    """One run of a DAG.

    Args:
        server: Airflow's API.
        dag: The DAG.
        role: Who triggers it.
        conf: Its configuration.
        run_id: Id of a run that somebody else has triggered.
    """

    def __init__(
        self,
        server: ApiServer,
        dag: Any,
        *,
        role: str = "user",
        conf: Any = None,
        run_id: str | None = None,
    ) -> None:
        self.server, self.dag = server, dag
        if run_id is None:
            body = {"logical_date": None, "conf": conf or {}}
            answer = self.call(role, "POST", f"/dags/{dag.dag_id}/dagRuns", body)
            assert answer.status_code == 200, answer.text
            run_id = answer.json()["dag_run_id"]
        self.run_id = run_id
        self.path = f"/dags/{dag.dag_id}/dagRuns/{run_id}"

    def call(self, role: str, method: str, path: str, body: Any = None) -> Any:
        """A request to Airflow's own API."""
        headers = self.server.headers(role)
        url = f"/api/v2{path}"
        return self.server.client.request(method, url, headers=headers, json=body)

    def go_on(self) -> str:
        """Run tasks until the run has ended or waits for a person; returns its state.

        It is what ``dag.test`` does with a run of its own.
        """
        from airflow.models.dagrun import DagRun as Row
        from airflow.sdk.definitions.dag import _run_task
        from airflow.serialization.serialized_objects import DagSerialization
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            run = session.scalar(select(Row).where(Row.run_id == self.run_id))
            run.dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(self.dag))
            if run.state == "queued":
                run.state = "running"
            before: Any = None
            while run.state == "running":
                session.expire_all()
                schedulable, _ = run.update_state(session=session)
                for ti in schedulable:
                    ti.try_number += 1
                    ti.state = "scheduled"
                session.commit()
                tis = run.get_task_instances(session=session)
                states = sorted((ti.task_id, ti.map_index, str(ti.state)) for ti in tis)
                ready = [ti for ti in tis if ti.state == "scheduled"]
                if not ready and states == before:
                    break  # a person is awaited
                before = states
                for ti in ready:
                    _run_task(ti=ti, task=self.dag.task_dict[ti.task_id], run_triggerer=True)
            return str(run.state)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The task instances as Airflow's API has them."""
        found = self.call("viewer", "GET", f"{self.path}/taskInstances").json()
        instances: list[dict[str, Any]] = found["task_instances"]
        return sorted(instances, key=lambda each: (each["task_id"], each["map_index"]))

    @property
    def states(self) -> dict[str, str]:
        """State of each task."""
        return {each["task_id"]: each["state"] for each in self.tasks}

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """An XCom; None where there is none."""
        path = f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}?map_index={map_index}"
        answer = self.call("admin", "GET", f"{path}&deserialize=false&stringify=false")
        return answer.json()["value"] if answer.status_code == 200 else None

    def set_state(self, task_id: str, state: str) -> None:
        """Mark a task by hand."""
        path = f"{self.path}/taskInstances/{task_id}"
        answer = self.call("user", "PATCH", path, {"new_state": state})
        assert answer.status_code == 200, answer.text

    def clear(self, *task_ids: str, downstream: bool = False) -> None:
        """Clear tasks, as the button of the UI does."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        }
        answer = self.call("user", "POST", f"/dags/{self.dag.dag_id}/clearTaskInstances", body)
        assert answer.status_code == 200, answer.text

    def answer(self, role: str, task_id: str, option: str) -> int:
        """Answer a question; returns the HTTP status."""
        path = f"{self.path}/taskInstances/{task_id}/-1/hitlDetails"
        body = {"chosen_options": [option], "params_input": {}}
        return int(self.call(role, "PATCH", path, body).status_code)

    def question(self, task_id: str) -> dict[str, Any]:
        """Subject and body of a question."""
        path = f"{self.path}/taskInstances/{task_id}/-1/hitlDetails"
        found: dict[str, Any] = self.call("viewer", "GET", path).json()
        return found


def end_of_response_time() -> None:
    """Let the scheduler find that nobody has answered in time."""
    from datetime import timedelta

    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk import timezone
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        past = timezone.utcnow() - timedelta(seconds=1)
        waiting = TaskInstance.state == "awaiting_input"
        session.execute(update(TaskInstance).where(waiting).values(trigger_timeout=past))
    SchedulerJobRunner(Job()).check_awaiting_input_timeouts()
