"""Reads collections again whose changes raise no Stripe event, and repairs records that differ.

Every 15 minutes it reads what is due of all active syncs: recent objects of collections whose
changes raise no Stripe event, some whole collections every night, all collections on Sunday nights
(03:00 UTC). Mostly nothing is due. Differences become change events with source `reconcile`; an
object that is missing in Stripe's list is deleted after Stripe has answered 404 for it.

The task `report` logs the drift of each collection, which `stripe_sync.reconcile_state` keeps. It
fails with the reason if a collection was not read again, or if a sync is not up to date (not
polled, a refused key, a collection whose backfill failed): the same as `stripe-sync check` prints.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_reconcile -c "{\\"collections\\": [\\"customer\\"]}"'

Over REST: `POST /api/v2/dags/stripe_reconcile/dagRuns` with
`{"logical_date": null, "conf": {"collections": ["payment_intent"], "window": 7}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, TriggerRule, dag, task

from stripe_airflow.operators.reconcile import StripeReconcileOperator
from stripe_airflow.params import reconcile_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.reconcile import MAPPED_TASK_KWARGS, plan_reconcile_run, summarize_run


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
    def plan(params: Any = None, ti: Any = None) -> list[dict[str, Any]]:
        due, failed = plan_reconcile_run(params)
        ti.xcom_push("failed", failed)
        return due

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0, show_return_value_in_logs=False)
    def report(planned: Any, reports: Any, params: Any = None, ti: Any = None) -> list[Any]:
        failed = ti.xcom_pull(task_ids="plan", key="failed")
        return summarize_run(params, planned, failed, reports)

    planned = plan()
    reconcile = StripeReconcileOperator.partial(task_id="reconcile", **MAPPED_TASK_KWARGS)
    report(planned, reconcile.expand_kwargs(planned).output)


stripe_reconcile()
