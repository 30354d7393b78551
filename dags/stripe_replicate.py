"""Copies a sync that was tested onto a live mode key, and starts its backfill.

Without *Apply* it is a dry run: the log of the task `replicate` lists each field that would change
and the permissions that the key lacks. With *Apply* the target is created or changed, and
`stripe_backfill` is triggered for what was never backfilled. Collections, settings and metadata are
copied; account, connection, external id, status and rate limits of the target are its own. Run
again, it brings over what has changed, also what was removed.

About 100 requests are sent with the live mode key; they download and change nothing in Stripe.
Whoever may trigger this DAG may change live mode syncs: where your auth manager has rights for
single DAGs, give this one to those who may edit connections.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS='dags trigger stripe_replicate -c "{\\"target\\": \\"shop\\"}"'

Over REST: `POST /api/v2/dags/stripe_replicate/dagRuns` with
`{"logical_date": null, "conf": {"source": "test", "target": "shop", "apply": true}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task

from stripe_airflow.params import replicate_params
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.replicate import run_replication


@dag(
    schedule=None,
    max_active_runs=1,
    params=replicate_params(),
    tags=["stripe", "manage"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_replicate() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY, show_return_value_in_logs=False)
    def replicate(params: Any = None, ti: Any = None) -> list[dict[str, Any]]:
        runs, replication = run_replication(params)
        ti.xcom_push("replication", replication)
        return runs

    TriggerDagRunOperator.partial(
        task_id="backfill", trigger_dag_id="stripe_backfill", skip_when_already_exists=True
    ).expand_kwargs(replicate())


stripe_replicate()
