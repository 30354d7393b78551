"""The DAG ``stripe_reconcile``, run against the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")


def run(dag: Any, **conf: Any) -> tuple[str, dict[str, list[Any]]]:
    """Run a DAG; returns the run's state and its task instances by task.

    Parameters that a test leaves out may still be those of the test before: name what matters.
    """
    dag_run = dag.test(run_conf=conf)
    instances: dict[str, list[Any]] = {}
    for instance in dag_run.get_task_instances():
        instances.setdefault(instance.task_id, []).append(instance)
    return str(dag_run.state), instances


def test_a_run_with_nothing_due_succeeds_and_reads_nothing(dags: dict[str, Any]) -> None:
    state, tasks = run(dags["stripe_reconcile"])

    assert state == "success"
    assert {str(task.state) for task in tasks["reconcile"]} == {"skipped"}
    assert tasks["report"][0].xcom_pull(task_ids="report") == []


def test_chosen_collections_are_repaired_and_their_drift_is_listed(
    dags: dict[str, Any], sandbox: Any
) -> None:
    sandbox.control.seed({"customer": 4, "product": 2})
    run(dags["stripe_backfill"], collections=["customer", "product"], since=None)
    customer = sandbox.control.objects("customer")[0]["id"]
    sandbox.control.mutate("customer", customer, {"name": "Paul Atreides"})
    sandbox.control.remove("customer", sandbox.control.objects("customer")[1]["id"])

    state, tasks = run(dags["stripe_reconcile"], collections=["customer", "product"])

    rows = tasks["report"][0].xcom_pull(task_ids="report")
    assert state == "success"
    assert {task.rendered_map_index for task in tasks["reconcile"]} == {"customer", "product"}
    found = [(row["collection"], row["drift"], row["repaired"], row["deleted"]) for row in rows]
    assert found == [("customer", 2, 1, 1), ("product", 0, 0, 0)]


def test_a_window_limits_what_is_read(dags: dict[str, Any], sandbox: Any) -> None:
    sandbox.control.seed({"customer": 3}, start=1_600_000_000, end=1_600_000_900)
    run(dags["stripe_backfill"], collections=["customer"], since=None)

    _, tasks = run(dags["stripe_reconcile"], collections=["customer"], window=7)

    [row] = tasks["report"][0].xcom_pull(task_ids="report")
    assert (row["window_days"], row["objects"]) == (7, 0)


def test_the_report_names_the_collections_that_failed() -> None:
    from airflow.sdk.exceptions import AirflowException

    from stripe_airflow.runs.reconcile import summarize_run

    plan = [{"collection": "customer"}, {"collection": "product"}]
    with pytest.raises(AirflowException, match="1 of 2 collections were not read again: product"):
        summarize_run(plan, [{"collection": "customer", "status": "done"}])
    with pytest.raises(AirflowException, match="'plan' failed"):
        summarize_run(None, None)


def test_it_runs_every_15_minutes(dags: dict[str, Any]) -> None:
    assert dags["stripe_reconcile"].timetable.expression == "*/15 * * * *"
