"""The DAG ``stripe_maintain``, run against a lake that a backfill filled."""

from __future__ import annotations

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


def test_without_a_sync_there_is_nothing_to_do(dags: dict[str, Any]) -> None:
    state, tasks = run(dags["stripe_maintain"], sync=None)

    assert state == "success"
    assert {str(task.state) for task in tasks["maintain"]} == {"skipped"}


@pytest.mark.parametrize("sync", [None, "default"])
def test_each_sync_is_maintained_and_reported_by_collection(
    dags: dict[str, Any], sandbox: Any, lake_url: str, warehouse_url: str, sync: str | None
) -> None:
    sandbox.control.seed({"customer": 12, "product": 3})
    dags["stripe_backfill"].test(run_conf={"collections": ["customer", "product"]})
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.processed_events"
            " SELECT id, 'evt_old', '2020-01-01' FROM stripe_sync.syncs"
        )
    asked = sandbox.control.stats()["requests"]

    state, tasks = run(dags["stripe_maintain"], sync=sync)

    assert state == "success"
    [task] = tasks["maintain"]
    assert task.rendered_map_index == "default"
    [report] = task.xcom_pull(task_ids=["maintain"], map_indexes=[0])
    assert (report["sync"], report["stripe_events_pruned"]) == ("default", 1)
    found = {row["collection"]: row["files"] for row in report["collections"]}
    assert found == {"customer": 2, "product": 2}
    assert len(list(Path(lake_url).rglob("*.parquet"))) == 4
    assert sandbox.control.stats()["requests"] == asked


def test_it_runs_every_night(dags: dict[str, Any]) -> None:
    assert dags["stripe_maintain"].timetable.expression == "30 4 * * *"
