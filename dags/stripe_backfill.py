"""Everything that a Stripe account holds, into lake and warehouse: one task for each collection.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_backfill -c "{\\"collections\\": [\\"customer\\"]}"'

Over REST: `POST /api/v2/dags/stripe_backfill/dagRuns` with
`{"logical_date": null, "conf": {"collections": ["customer"], "since": "2026-01-01"}}`.

It may be stopped and run again at any time: it goes on where it was, and nothing is written twice.
A collection that the key may not read is reported, and the others go on. The task `report` lists
what came of each, and is red when one of them failed. `stripe_dbt` follows a green run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, TriggerRule, dag, get_current_context, task

from stripe_airflow.backfill import MAPPED, conclude, pick_jobs, plan_jobs
from stripe_airflow.operators.backfill import StripeBackfillOperator
from stripe_airflow.params import backfill_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY


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
    def plan() -> list[dict[str, Any]]:
        return plan_jobs(get_current_context()["params"])

    @task(show_return_value_in_logs=False)
    def pick(jobs: Any, nested: bool) -> list[Any]:
        return pick_jobs(jobs, nested=nested)

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0, outlets=[Asset("stripe_backfill")])
    def report(jobs: Any, alone: Any, nested: Any) -> list[Any]:
        return conclude(jobs, [*(alone or ()), *(nested or ())])

    def backfill(task_id: str, nested: bool) -> Any:
        return StripeBackfillOperator.partial(task_id=task_id, **MAPPED).expand_kwargs(
            pick.override(task_id=f"pick_{task_id}")(jobs, nested=nested)
        )

    jobs = plan()
    alone, nested = backfill("backfill", False), backfill("backfill_nested", True)
    alone >> nested
    report(jobs, alone.output, nested.output)


stripe_backfill()
