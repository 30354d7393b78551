"""The DAG ``stripe_backfill``, run against the sandbox."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")


def run(dag: Any, **conf: Any) -> tuple[str, dict[str, list[Any]]]:
    """Run a DAG; returns the run's state and its task instances by task."""
    dag_run = dag.test(run_conf=conf)
    instances: dict[str, list[Any]] = {}
    for instance in dag_run.get_task_instances():
        instances.setdefault(instance.task_id, []).append(instance)
    return str(dag_run.state), instances


def test_each_collection_is_a_task_named_after_it_and_lands_in_warehouse_and_lake(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str, lake_url: str
) -> None:
    sandbox.control.seed({"customer": 12, "product": 3})

    state, tasks = run(dags["stripe_backfill"], collections=["customer", "product"])

    assert state == "success"
    assert {task.rendered_map_index for task in tasks["backfill"]} == {"customer", "product"}
    with psycopg.connect(warehouse_url) as connection:
        rows = connection.execute(
            "SELECT collection_id, count(*) FROM stripe_raw.records GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [("stripe:customer", 12), ("stripe:product", 3)]
    folders = {path.parent.name for path in Path(lake_url, "default/records").rglob("*.parquet")}
    assert folders == {"collection=customer", "collection=product"}


def test_what_is_read_through_others_comes_after_them(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.seed({"invoice": 5})

    state, tasks = run(dags["stripe_backfill"], collections=["line_item", "invoice"])

    assert state == "success"
    assert [task.rendered_map_index for task in tasks["backfill"]] == ["invoice"]
    assert [task.rendered_map_index for task in tasks["backfill_nested"]] == ["line_item"]
    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert [(row["collection"], row["status"]) for row in rows] == [
        ("invoice", "done"),
        ("line_item", "done"),
    ]
    assert rows[1]["requests"] == 0


def test_the_report_lists_what_came_of_each_collection(
    dags: dict[str, Any], sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.control.seed({"customer": 7})
    caplog.set_level(logging.INFO)

    _, tasks = run(dags["stripe_backfill"], collections=["customer", "refund"])

    [report] = tasks["report"]
    rows = report.xcom_pull(task_ids="report")
    assert [(row["collection"], row["status"], row["objects"]) for row in rows] == [
        ("customer", "done", 7),
        ("refund", "empty", 0),
    ]


def test_a_collection_that_the_key_may_not_read_is_reported_and_the_others_go_on(
    dags: dict[str, Any], sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.seed({"customer": 2, "product": 2})
    sandbox.control.add_key(
        "rk_test_part", permissions=["rak_customer_read", "rak_event_read", "rak_account_read"]
    )
    monkeypatch.setenv(
        "AIRFLOW_CONN_STRIPE_DEFAULT",
        f'{{"conn_type": "stripe", "password": "rk_test_part", "host": "{sandbox.base_url}"}}',
    )

    state, tasks = run(dags["stripe_backfill"], collections=["customer", "product"])

    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert state == "success"
    assert [row["status"] for row in rows] == ["done", "forbidden"]
    assert "rak_product_read" in rows[1]["message"]


def test_a_wrong_key_fails_at_once_and_the_run_is_red(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch, sandbox: Any
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_STRIPE_DEFAULT",
        f'{{"conn_type": "stripe", "password": "sk_test_revoked", "host": "{sandbox.base_url}"}}',
    )

    state, tasks = run(dags["stripe_backfill"], collections=["customer"])

    [plan] = tasks["plan"]
    assert state == "failed"
    assert (str(plan.state), plan.try_number) == ("failed", 1)


def test_the_end_of_a_run_is_red_and_names_what_failed_and_why(sandbox: Any) -> None:
    from airflow.sdk.exceptions import AirflowException

    from stripe_airflow.backfill import conclude, plan_jobs
    from stripe_airflow.operators.backfill import StripeBackfillOperator

    jobs = plan_jobs(
        {"sync": "default", "collections": ["product", "customer"], "since": None, "full": False}
    )
    done = [
        StripeBackfillOperator(task_id="backfill", **job).execute({})
        for job in jobs
        if job["collection"] == "product"
    ]

    with pytest.raises(AirflowException, match=r"1 of 2 collections .* customer: the task was"):
        conclude(jobs, done)


def test_a_run_whose_plan_failed_says_where_to_look() -> None:
    from airflow.sdk.exceptions import AirflowException

    from stripe_airflow.backfill import conclude

    with pytest.raises(AirflowException, match="'plan' failed"):
        conclude(None, None)


def test_reading_everything_again_changes_nothing(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.seed({"customer": 5})
    run(dags["stripe_backfill"], collections=["customer"])

    _, tasks = run(dags["stripe_backfill"], collections=["customer"], full=True)

    [row] = tasks["report"][0].xcom_pull(task_ids="report")
    assert (row["objects"], row["created"], row["updated"], row["unchanged"]) == (5, 0, 0, 5)


def test_since_leaves_older_objects_out(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.seed({"customer": 10}, start=1_700_000_000, end=1_700_000_900)
    sandbox.control.seed({"customer": 4}, start=1_767_312_000, end=1_767_312_900, seed=1)

    run(dags["stripe_backfill"], collections=["customer"], since="2026-01-01")

    with psycopg.connect(warehouse_url) as connection:
        [count] = connection.execute("SELECT count(*) FROM stripe_raw.records").fetchone() or [-1]
    assert count == 4
