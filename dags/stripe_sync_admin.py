"""Creates, changes, pauses, resumes or deletes one sync, from a form.

A sync that is created starts with its backfill, unless *Start its backfill* is off. Otherwise no
request is sent to Stripe. Deleting a sync needs its name twice. Whoever may trigger this DAG may do
all of that: where your auth manager has rights for single DAGs, give this one to those who may edit
connections.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_sync_admin -c "{\\"action\\": \\"pause\\"}"'

Over REST: `POST /api/v2/dags/stripe_sync_admin/dagRuns` with
`{"logical_date": null, "conf": {"action": "create", "sync": "eu", "collections": ["customer"]}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task

from stripe_airflow.params import sync_admin_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.sync_admin import run_action


@dag(
    schedule=None,
    max_active_runs=1,
    params=sync_admin_params(),
    tags=["stripe", "manage"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_sync_admin() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY, show_return_value_in_logs=False)
    def change(params: Any = None, ti: Any = None) -> list[dict[str, Any]]:
        runs, changed = run_action(params, is_retry=ti.try_number > 1)
        ti.xcom_push("sync", changed)
        return runs

    TriggerDagRunOperator.partial(
        task_id="backfill", trigger_dag_id="stripe_backfill", skip_when_already_exists=True
    ).expand_kwargs(change())


stripe_sync_admin()
