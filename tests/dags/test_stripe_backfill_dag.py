"""The DAG ``stripe_backfill``, run against the sandbox."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stripe_sync import load_catalog
from stripe_sync.records.canonical_json import dumps

EVERY = [collection.name for collection in load_catalog().values()]
TWO = ["rak_customer_read", "rak_invoice_read"]
"""Permissions of a key that may read customers and invoices only."""

UNLIMITED = {
    "requests_per_second": 400,
    "total_requests_per_second": 500,
    "endpoint_requests_per_second": 400,
}

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")


def run(dag: Any, **conf: Any) -> tuple[str, dict[str, list[Any]]]:
    """Run a DAG; returns the run's state and its task instances by task."""
    dag_run = dag.test(run_conf=conf)
    instances: dict[str, list[Any]] = {}
    for instance in dag_run.get_task_instances():
        instances.setdefault(instance.task_id, []).append(instance)
    return str(dag_run.state), instances


def connect(monkeypatch: pytest.MonkeyPatch, sandbox: Any, key: str, **settings: Any) -> None:
    """Airflow's connection to the sandbox with a key and settings of its own."""
    fields = {"conn_type": "stripe", "password": key, "host": sandbox.base_url, "extra": settings}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_DEFAULT", dumps(fields).decode())


def statuses(warehouse_url: str) -> dict[str, tuple[str, str | None]]:
    """Status of each collection and the permission that the key lacks, by short name."""
    with psycopg.connect(warehouse_url) as connection:
        rows = connection.execute(
            "SELECT collection_id, status, permission FROM stripe_sync.collection_state"
        ).fetchall()
    return {name.partition(":")[2]: (status, permission) for name, status, permission in rows}


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


def test_each_task_stores_its_links(dags: dict[str, Any], sandbox: Any) -> None:
    _, tasks = run(dags["stripe_backfill"], collections=["customer"])

    [task] = tasks["backfill"]
    keys = ("_link_DataDocsLink", "_link_StripeDashboardLink")
    data_docs, dashboard = (task.xcom_pull("backfill", key=key, map_indexes=0) for key in keys)
    assert data_docs.endswith("/plugin/stripe_data_docs")
    assert dashboard == ""  # the sandbox has no Dashboard


def test_child_collections_are_read_after_their_parents(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.seed({"invoice": 5})

    state, tasks = run(dags["stripe_backfill"], collections=["line_item", "invoice"])

    assert state == "success"
    assert [task.rendered_map_index for task in tasks["backfill"]] == ["invoice"]
    assert [task.rendered_map_index for task in tasks["backfill_children"]] == ["line_item"]
    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert [(row["collection"], row["status"]) for row in rows] == [
        ("invoice", "done"),
        ("line_item", "done"),
    ]
    assert rows[1]["requests"] == 0


def test_parents_that_a_sync_includes_are_backfilled_as_well(
    dags: dict[str, Any], sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.seed({"quote": 3})
    connect(monkeypatch, sandbox, sandbox.api_key, include_parents=["quote"])

    state, tasks = run(dags["stripe_backfill"], collections=["quote", "item"], since=None)

    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert state == "success"
    assert [(row["collection"], row["status"]) for row in rows] == [
        ("quote", "done"),
        ("item", "done"),
    ]


def test_the_report_lists_the_result_of_each_collection(
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


def test_without_a_choice_every_collection_is_a_task(sandbox: Any) -> None:
    from stripe_airflow.runs.backfill import plan_backfill_run

    top_level, child = plan_backfill_run(
        {"sync": "default", "collections": [], "since": None, "full": False}
    )

    planned = [task["collection"] for task in (*top_level, *child)]
    # Previews and their lines are read together.
    assert sorted([*planned, "upcoming_line_item"]) == sorted(EVERY)


def test_collections_that_the_key_may_not_read_are_reported_and_the_run_succeeds(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each outcome; tests/integration/sync/collections has the whole catalogue."""
    sandbox.control.demo()
    sandbox.control.add_key("rk_test_two", permissions=TWO)
    connect(monkeypatch, sandbox, "rk_test_two", **UNLIMITED)
    expected = {
        "customer": ("done", "rak_billing_clock_read"),  # all but those of test clocks
        "customer_balance_transaction": ("done", None),
        # What hangs on customers is read; what hangs on others is named in the message.
        "bank_account": ("done", "rak_connected_account_read"),
        "token": ("empty", None),
        "product": ("forbidden", "rak_product_read"),
        "upcoming_customer_invoice": ("forbidden", "rak_invoice_write"),
    }

    state, tasks = run(dags["stripe_backfill"], collections=sorted(expected), since=None)

    found = statuses(warehouse_url)
    assert state == "success"
    assert {name: found[name] for name in expected} == expected
    rows = {row["collection"]: row for row in tasks["report"][0].xcom_pull(task_ids="report")}
    assert set(rows) == set(expected)
    for name, row in rows.items():
        assert (row["status"], row["permission"]) == found[name]
        assert (row["permission"] or "") in (row["message"] or "")


def test_with_fail_when_forbidden_the_run_fails(
    dags: dict[str, Any],
    sandbox: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox.control.seed({"customer": 2, "product": 2, "refund": 1})
    sandbox.control.add_key("rk_test_two", permissions=TWO)
    connect(monkeypatch, sandbox, "rk_test_two", fail_when_forbidden=True, **UNLIMITED)

    state, tasks = run(
        dags["stripe_backfill"], collections=["customer", "product", "refund"], since=None
    )

    assert state == "failed"
    assert {str(task.state) for task in tasks["backfill"]} == {"success"}
    assert (
        "AirflowException: The key lacks permission for 2 of 3 collections."
        " product: rak_product_read; refund: rak_charge_read." in capsys.readouterr().out
    )


def test_a_collection_that_stripe_cannot_serve_fails_alone_and_the_report_says_why(
    dags: dict[str, Any],
    sandbox: Any,
    warehouse_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox.control.demo()
    sandbox.control.fault("server_error", endpoint="GET /v1/subscriptions", status=500)
    connect(monkeypatch, sandbox, sandbox.api_key, **UNLIMITED)
    dag = dags["stripe_backfill"]
    for name in ("backfill", "backfill_children"):  # without waiting for a retry
        monkeypatch.setitem(dag.task_dict[name].partial_kwargs, "retries", 0)
    others = ["charge", "credit_note_line_item", "customer", "dispute", "invoice", "line_item"]

    state, tasks = run(dag, collections=["subscription", *others], since=None)

    found = statuses(warehouse_url)
    assert found.pop("subscription") == ("failed", None)
    assert found == dict.fromkeys(others, ("done", None))
    failed = {t.rendered_map_index for t in tasks["backfill"] if str(t.state) == "failed"}
    assert (state, failed) == ("failed", {"subscription"})
    assert {str(task.state) for task in tasks["backfill_children"]} == {"success"}
    [message] = re.findall(
        "AirflowException: 1 of 7 collections were not backfilled.*", capsys.readouterr().out
    )
    assert "subscription: GET /v1/subscriptions" in message
    assert "An unknown error occurred" in message


def test_a_wrong_key_fails_the_run_at_the_first_try(
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


def test_the_report_names_the_collections_that_failed_and_why(sandbox: Any) -> None:
    from airflow.sdk.exceptions import AirflowException

    from stripe_airflow.operators.backfill import StripeBackfillOperator
    from stripe_airflow.runs.backfill import plan_backfill_run, summarize_run

    top_level, child = plan_backfill_run(
        {"sync": "default", "collections": ["product", "customer"], "since": None, "full": False}
    )
    reports = [
        StripeBackfillOperator(task_id="backfill", **task).execute({})
        for task in top_level
        if task["collection"] == "product"
    ]

    with pytest.raises(AirflowException, match=r"1 of 2 collections .* customer: the task was"):
        summarize_run(top_level, child, reports)


def test_a_run_whose_plan_failed_refers_to_its_log() -> None:
    from airflow.sdk.exceptions import AirflowException

    from stripe_airflow.runs.backfill import summarize_run

    with pytest.raises(AirflowException, match="'plan' failed"):
        summarize_run(None, None, [])


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
