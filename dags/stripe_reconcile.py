"""Reads collections again whose changes raise no Stripe event, and repairs records that differ.

Every 15 minutes it reads what is due of all active syncs: recent objects, some collections every
night, all on Sunday nights (03:00 UTC). Differences become change events with source `reconcile`.
New connected accounts of a platform (setting `connected_accounts`) get a sync and a backfill;
disconnected ones that have access again are resumed. The task `report` lists the drift; it fails if
a collection was not read, or a sync is not up to date: with what `stripe-sync check` prints.

**By hand:** *Trigger* in the UI, or `make airflow ARGS='dags trigger stripe_reconcile'`. Over REST:
`POST /api/v2/dags/stripe_reconcile/dagRuns` with `{"logical_date": null, "conf": {"window": 7}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, TriggerRule, dag, task

from stripe_airflow.operators.reconcile import StripeReconcileOperator
from stripe_airflow.params import reconcile_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.connected import TRIGGER_KWARGS, connect_accounts
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

    @task(retry_policy=STRIPE_RETRY_POLICY, show_return_value_in_logs=False)
    def connect(params: Any = None, ti: Any = None) -> list[dict[str, Any]]:
        new, failed = connect_accounts(params)
        ti.xcom_push("failed", failed)
        return new

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0, show_return_value_in_logs=False)
    def report(planned: Any, reports: Any, params: Any = None, ti: Any = None) -> list[Any]:
        errors = [ti.xcom_pull(task_ids=name, key="failed") for name in ("plan", "connect")]
        return summarize_run(params, planned, errors[0], reports, errors[1])

    planned, new = plan(), connect()
    TriggerDagRunOperator.partial(task_id="backfill_new", **TRIGGER_KWARGS).expand_kwargs(new)
    reconcile = StripeReconcileOperator.partial(task_id="reconcile", **MAPPED_TASK_KWARGS)
    new >> report(planned, reconcile.expand_kwargs(planned).output)


stripe_reconcile()
