"""The dbt task, against a warehouse with data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest


@pytest.mark.dbt
@pytest.mark.usefixtures("connections")
def test_it_builds_the_views_and_publishes_the_docs_to_the_lake(
    sandbox: Any, warehouse_url: str, lake_url: str
) -> None:
    from stripe_airflow.backfill import plan_jobs
    from stripe_airflow.operators.backfill import StripeBackfillOperator
    from stripe_airflow.operators.dbt import StripeDbtOperator

    sandbox.control.seed({"customer": 3})
    params = {"sync": "default", "collections": ["customer"], "since": None, "full": False}
    for job in plan_jobs(params):
        StripeBackfillOperator(task_id="backfill", **job).execute({})

    url = StripeDbtOperator(task_id="build").execute({})

    assert url == f"{lake_url}/_docs/index.html"
    assert "stripe_views" in Path(url).read_text()
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM stripe.customers").fetchone() == (3,)


@pytest.mark.dbt
@pytest.mark.usefixtures("connections")
def test_it_fails_when_dbt_does(tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowException

    from stripe_airflow.operators.dbt import StripeDbtOperator

    with pytest.raises(AirflowException, match="dbt ended with code 1"):
        StripeDbtOperator(task_id="build", project_dir=str(tmp_path)).execute({})


def test_it_runs_after_a_backfill_and_once_a_day(dags: dict[str, Any]) -> None:
    timetable = dags["stripe_dbt"].timetable

    assert type(timetable).__name__ == "AssetOrTimeSchedule"
    [report] = [task for task in dags["stripe_backfill"].tasks if task.outlets]
    assert [asset.name for asset in report.outlets] == ["stripe_backfill"]
