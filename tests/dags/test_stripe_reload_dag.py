"""The DAG ``stripe_reload``, run against a lake that a backfill filled."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")


def test_a_warehouse_that_lost_its_rows_gets_them_back(
    dags: dict[str, Any], sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.seed({"customer": 12, "product": 3})
    dags["stripe_backfill"].test(run_conf={"collections": ["customer", "product"]})
    rows = "SELECT upstream_id, payload_hash, updated_idx FROM stripe_raw.records ORDER BY 1"
    with psycopg.connect(warehouse_url) as connection:
        before = connection.execute(rows).fetchall()
        connection.execute("DROP SCHEMA stripe_raw CASCADE")
        connection.execute("DROP SCHEMA stripe_sync CASCADE")
    asked = sandbox.control.stats()["requests"]

    run = dags["stripe_reload"].test(run_conf={})

    assert str(run.state) == "success"
    reloads = [task for task in run.get_task_instances() if task.task_id == "reload"]
    assert {task.rendered_map_index for task in reloads} == {"customer", "product"}
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute(rows).fetchall() == before
    assert sandbox.control.stats()["requests"] == asked
