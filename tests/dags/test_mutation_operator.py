"""``StripeMutationOperator`` in somebody's DAG: each request once, whatever Airflow does."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk import DAG, task

from dags.api_server import ApiServer
from dags.dag_runs import DagRun, add_dag
from stripe_airflow.operators.approval import StripeApprovalOperator
from stripe_airflow.operators.mutation import StripeMutationOperator
from stripe_sync import ConfigurationError, create_consumer, replay_consumer

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")

CREATE: dict[str, Any] = {"task_id": "write", "collection_id": "stripe:customer", "kind": "create"}


def started(server: ApiServer, build: Callable[[], Any], **conf: Any) -> DagRun:
    """A run of a new DAG with some tasks."""
    arguments = {"retries": 2, "retry_delay": timedelta(0)}
    with DAG(f"own_{time.monotonic_ns()}", schedule=None, default_args=arguments) as dag:
        build()
    return DagRun(server, add_dag(dag), conf=conf)


def rows(warehouse_url: str, query: str) -> list[Any]:
    with psycopg.connect(warehouse_url) as connection:
        return connection.execute(query).fetchall()


def names(sandbox: Any) -> list[str]:
    return [each["name"] for each in sandbox.control.objects("customer")]


def tries(run: DagRun) -> list[int]:
    return [each["try_number"] for each in run.tasks]


def test_a_retry_sends_what_was_stored_and_repeats_nothing(
    server: ApiServer, sandbox: Any, warehouse_url: str
) -> None:
    """Four requests of the first try are executed, or replayed, and none is answered."""
    sandbox.control.fault("reset", endpoint="POST *", applied=True, next=4)
    records = [{"name": "of try {{ ti.try_number }}"}]
    run = started(server, lambda: StripeMutationOperator(**CREATE, records=records))

    assert run.go_on() == "success"
    assert tries(run) == [2]
    assert names(sandbox) == ["of try 1"]
    run.clear("write")
    assert run.go_on() == "success"
    assert tries(run) == [3]
    assert names(sandbox) == ["of try 1"]
    query = "SELECT event_type, source FROM stripe_raw.events"
    assert rows(warehouse_url, query) == [("created", "mutation")]


def test_a_refusal_waits_for_a_person_who_may_change_it(server: ApiServer, sandbox: Any) -> None:
    sandbox.control.fault("refuse", endpoint="POST *", status=402, code="card_declined", next=1)
    records = [{"name": "of try {{ ti.try_number }}"}]
    run = started(server, lambda: StripeMutationOperator(**CREATE, records=records))

    assert run.go_on() == "failed"
    assert (tries(run), names(sandbox)) == ([1], [])
    run.clear("write")
    assert run.go_on() == "success"
    assert (tries(run), names(sandbox)) == ([2], ["of try 2"])


def test_an_outage_is_retried_with_the_same_key(server: ApiServer, sandbox: Any) -> None:
    sandbox.control.fault("lock", endpoint="POST *", next=4)
    run = started(server, lambda: StripeMutationOperator(**CREATE, records=[{"name": "a"}]))

    assert run.go_on() == "success"
    assert (tries(run), names(sandbox)) == ([2], ["a"])


def test_mapped_tasks_write_for_themselves(server: ApiServer, sandbox: Any) -> None:
    def build() -> None:
        records = [[{"name": "a"}], [{"name": "a"}]]
        StripeMutationOperator.partial(**CREATE).expand(records=records)

    run = started(server, build)
    assert run.go_on() == "success"
    ids = {run.xcom("write", map_index=n)["results"][0]["upstream_id"] for n in (0, 1)}
    assert {each["id"] for each in sandbox.control.objects("customer")} == ids
    run.clear("write")
    assert run.go_on() == "success"
    assert names(sandbox) == ["a", "a"]


def test_records_come_from_a_task_and_airflow_does_not_show_them(
    server: ApiServer, sandbox: Any
) -> None:
    def build() -> None:
        @task
        def people(params: Any = None) -> list[dict[str, Any]]:
            return [{"name": name} for name in params["names"]]

        StripeMutationOperator(**CREATE, records=people())
        as_text = "[{% for name in params.names %}{'name': '{{ name | upper }}'},{% endfor %}]"
        StripeMutationOperator(**{**CREATE, "task_id": "upper"}, records=as_text)

    run = started(server, build, names=["Chani", "Duncan"])
    assert run.go_on() == "success"
    assert sorted(names(sandbox)) == ["CHANI", "Chani", "DUNCAN", "Duncan"]
    rendered = {each["task_id"]: each["rendered_fields"] for each in run.tasks}
    assert rendered["write"]["records"] == "2 records, not shown"
    assert rendered["upper"]["records"] == "2 records, not shown"
    assert "Chani" not in str(run.xcom("write"))


@pytest.mark.parametrize(
    ("on_error", "statuses", "changed"),
    [
        ("stop", ["done", "refused", "not_sent"], ["new", "b"]),
        ("continue", ["done", "refused", "done"], ["new", "new"]),
    ],
)
def test_one_failed_record_fails_the_task_which_names_all(
    server: ApiServer, sandbox: Any, on_error: str, statuses: list[str], changed: list[str]
) -> None:
    for name in ("a", "b"):
        sandbox.control.put({"id": f"cus_{name}", "object": "customer", "created": 5, "name": name})
    ids = ["cus_a", "cus_missing", "cus_b"]
    records = [{"id": each, "name": "new"} for each in ids]
    arguments = {**CREATE, "kind": "update", "on_error": on_error, "records": records}
    run = started(server, lambda: StripeMutationOperator(**arguments))

    assert run.go_on() == "failed"
    assert tries(run) == [1]
    results = run.xcom("write")["results"]
    assert [each["status"] for each in results] == statuses
    assert [each["upstream_id"] for each in results] == ids
    assert results[1]["error"]["code"] == "resource_missing"
    assert names(sandbox) == changed


@pytest.mark.parametrize("by_a_person", [True, False])
def test_own_dags_ask_with_a_task_of_their_own(
    server: ApiServer, sandbox: Any, by_a_person: bool
) -> None:
    def build() -> None:
        ask = StripeApprovalOperator(task_id="ask", subject="Write?")
        ask >> StripeMutationOperator(**CREATE, records=[{"name": "a"}], approval="ask")

    run = started(server, build)
    assert run.go_on() == "running"
    if by_a_person:
        assert run.answer("op", "ask", "Approve") == 200
    else:
        forged = {"chosen_options": ["Approve"], "responded_by_user": {"id": "op", "name": "op"}}
        path = f"{run.path}/taskInstances/ask/xcomEntries"
        made = run.call("user", "POST", path, {"key": "return_value", "value": forged})
        assert made.status_code == 201
        run.set_state("ask", "success")

    assert run.go_on() == ("success" if by_a_person else "failed")
    assert names(sandbox) == (["a"] if by_a_person else [])


def test_a_late_consumer_fails_the_task_and_the_write_stands(
    server: ApiServer, sandbox: Any, warehouse_url: str
) -> None:
    started(server, lambda: StripeMutationOperator(**CREATE, records=[{"name": "a"}])).go_on()
    create_consumer(warehouse_url, "crm", "pull")
    arguments = {**CREATE, "await_consumers": "crm, lake", "await_timeout": "0.1"}
    run = started(server, lambda: StripeMutationOperator(**arguments, records=[{"name": "b"}]))

    assert run.go_on() == "failed"
    assert (tries(run), names(sandbox)) == ([3], ["a", "b"])
    assert run.xcom("write")["late"] == ["crm"]
    replay_consumer(warehouse_url, "crm", "new")
    run.clear("write")
    assert run.go_on() == "success"
    assert (run.xcom("write")["late"], names(sandbox)) == ([], ["a", "b"])


def test_a_long_wait_leaves_the_worker(server: ApiServer, sandbox: Any, warehouse_url: str) -> None:
    started(server, lambda: StripeMutationOperator(**CREATE, records=[{"name": "a"}])).go_on()
    create_consumer(warehouse_url, "crm", "pull")
    arguments = {**CREATE, "await_consumers": ["crm"], "await_timeout": 61, "deferrable": True}
    run = started(server, lambda: StripeMutationOperator(**arguments, records=[{"name": "b"}]))

    def read_after_the_worker_left() -> None:
        with sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db") as airflow:
            query = "SELECT next_method FROM task_instance WHERE run_id = ?"
            while airflow.execute(query, [run.run_id]).fetchall() != [("execute_complete",)]:
                time.sleep(0.05)
        replay_consumer(warehouse_url, "crm", "new")

    consumer = threading.Thread(target=read_after_the_worker_left, daemon=True)
    consumer.start()
    assert run.go_on() == "success"
    consumer.join(30)
    assert tries(run) == [1]
    assert (run.xcom("write")["late"], names(sandbox)) == ([], ["a", "b"])
    assert run.xcom("write")["results"][0]["status"] == "done"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"collection_id": "stripe:custmer"}, "there is no collection"),
        ({"collection_id": "stripe:event"}, "cannot be written"),
        ({"kind": "refund"}, "has no 'refund'"),
        ({"collection_id": "{{ params.c }}", "kind": None}, "are needed"),
        ({"records": []}, "records is empty"),
        ({"records": None}, "are needed"),
        ({"on_error": "ignore"}, "on_error is stop or continue"),
        ({"await_timeout": 601}, "await_timeout must be"),
        ({"await_timeout": "soon"}, "await_timeout must be"),
        ({"prepared": "key"}, "either prepared"),
    ],
)
def test_a_wrong_argument_is_an_import_error_of_the_dag(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        StripeMutationOperator(**{**CREATE, "records": [{"name": "a"}], **changes})


def test_templates_are_checked_when_they_are_rendered() -> None:
    StripeMutationOperator(
        task_id="write",
        collection_id="{{ params.collection }}",
        kind="{{ params.kind }}",
        records="{{ params.records }}",
        on_error="{{ params.on_error }}",
        await_timeout="{{ params.seconds }}",
    )
    StripeMutationOperator(task_id="write", prepared="{{ ti.xcom_pull('prepare') }}")
