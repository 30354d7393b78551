"""Reads again what Stripe's events do not tell of, and repairs what differs.

Every quarter of an hour it looks what is due: recent objects of collections whose changes raise no
Stripe events, some collections as a whole each night, all of them on Sunday nights (03:00 UTC).
Mostly nothing is. What it finds becomes change events with source `reconcile`; what is gone from
Stripe is marked as deleted, once Stripe has been asked for it. The task `report` lists the drift
of each collection, `stripe.sync_status` shows the newest.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_reconcile -c "{\\"collections\\": [\\"customer\\"]}"'

Over REST: `POST /api/v2/dags/stripe_reconcile/dagRuns` with
`{"logical_date": null, "conf": {"collections": ["payment_intent"], "window": 7}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, TriggerRule, dag, get_current_context, task

from stripe_airflow.operators.reconcile import StripeReconcileOperator
from stripe_airflow.params import reconcile_params
from stripe_airflow.reconcile import conclude, plan_rereads
from stripe_airflow.retries import STRIPE_RETRY_POLICY


@dag(
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    max_active_runs=1,
    params=reconcile_params(),
    tags=["stripe", "extract"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_reconcile() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY, show_return_value_in_logs=False)
    def plan() -> list[dict[str, Any]]:
        return plan_rereads(get_current_context()["params"])

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0, show_return_value_in_logs=False)
    def report(jobs: list[dict[str, Any]] | None, reports: list[dict[str, Any]]) -> list[Any]:
        return conclude(jobs, reports)

    jobs = plan()
    reconcile = StripeReconcileOperator.partial(
        task_id="reconcile", pool="stripe_backfill", map_index_template="{{ task.collection }}"
    ).expand_kwargs(jobs)
    report(jobs, reconcile.output)


stripe_reconcile()
