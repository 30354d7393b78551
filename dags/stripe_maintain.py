"""Deletes expired rows and merges small files of the lake, every night, one task for each sync.

It prunes processed Stripe events, deletes change events older than the sync's setting
`keep_events_days` from the warehouse (the newest of each record stays, and the lake keeps all),
removes files that killed processes left in the lake, and merges small files. It sends no request
to Stripe. It may run beside everything else, and be stopped at any time. The log of each task
lists the result for each collection.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS="dags trigger stripe_maintain"

Over REST: `POST /api/v2/dags/stripe_maintain/dagRuns` with
`{"logical_date": null, "conf": {"sync": "default"}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from stripe_airflow.operators.maintain import StripeMaintainOperator
from stripe_airflow.params import maintain_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.maintain import plan_maintain_run


@dag(
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC"),
    max_active_runs=1,
    params=maintain_params(),
    tags=["stripe", "maintain"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_maintain() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY)
    def plan(params: Any = None) -> list[dict[str, Any]]:
        return plan_maintain_run(params)

    StripeMaintainOperator.partial(
        task_id="maintain", map_index_template="{{ task.sync }}"
    ).expand_kwargs(plan())


stripe_maintain()
