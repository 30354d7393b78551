"""The dbt task. The e2e tests check the views that it builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


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
