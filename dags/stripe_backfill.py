"""Reads all objects of a Stripe account into lake and warehouse, one task for each collection.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_backfill -c "{\\"collections\\": [\\"customer\\"]}"'

Over REST: `POST /api/v2/dags/stripe_backfill/dagRuns` with
`{"logical_date": null, "conf": {"collections": ["customer"], "since": "2026-01-01"}}`.

It may be stopped at any time; the next run continues. The task `report` lists all collections. The
pool `stripe_backfill` limits the collections read at a time. The scheduler creates it when it
starts. Without it tasks stay *scheduled*: `airflow pools set stripe_backfill 4 "Collections"`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task

from stripe_airflow.assets import STRIPE_BACKFILL
from stripe_airflow.operators.backfill import StripeBackfillOperator
from stripe_airflow.params import backfill_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.backfill import MAPPED_TASK_KWARGS, plan_backfill_run, summarize_run


@dag(
    schedule=None,
    max_active_runs=1,
    params=backfill_params(),
    tags=["stripe", "extract"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_backfill() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY, show_return_value_in_logs=False)
    def plan(params: Any = None, ti: Any = None) -> list[Any]:
        top_level, child = plan_backfill_run(params)
        ti.xcom_push("child", child)
        return top_level

    @task(show_return_value_in_logs=False)
    def plan_children(child: Any) -> list[Any]:
        return list(child)  # Airflow maps tasks over return values only

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0, outlets=[STRIPE_BACKFILL])
    def report(top_level: Any, child: Any, *reports: Any) -> list[Any]:
        return summarize_run(top_level, child, [row for rows in reports for row in rows or ()])

    backfill = StripeBackfillOperator.partial(task_id="backfill", **MAPPED_TASK_KWARGS)
    children = StripeBackfillOperator.partial(task_id="backfill_children", **MAPPED_TASK_KWARGS)
    top_level = backfill.expand_kwargs(planned := plan())
    child = children.expand_kwargs(planned_children := plan_children(planned["child"]))
    top_level >> child
    report(planned, planned_children, top_level.output, child.output)


stripe_backfill()
