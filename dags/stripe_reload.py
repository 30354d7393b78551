"""Restores the warehouse from the Parquet files of the lake, without any request to Stripe.

For a warehouse that was lost, or a second one: point the connection `stripe_warehouse` to it and
run this. Records and change events are restored with new values of `seq`. Rows that are in the
warehouse already stay, so it may be stopped and run again at any time.

Pause `stripe_poll` before, and unpause it after; it then continues where the lake ends.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS="dags trigger stripe_reload"

Over REST: `POST /api/v2/dags/stripe_reload/dagRuns` with
`{"logical_date": null, "conf": {"collections": ["customer"]}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from stripe_airflow.assets import STRIPE_BACKFILL
from stripe_airflow.operators.reload import StripeReloadOperator
from stripe_airflow.params import reload_params
from stripe_airflow.pools import BACKFILL_POOL
from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_airflow.runs.reload import plan_reload_run


@dag(
    schedule=None,
    max_active_runs=1,
    params=reload_params(),
    tags=["stripe", "extract"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 3, "retry_delay": timedelta(seconds=15)},
)
def stripe_reload() -> None:
    @task(retry_policy=STRIPE_RETRY_POLICY)
    def plan(params: Any = None) -> list[dict[str, Any]]:
        return plan_reload_run(params)

    # stripe_dbt builds the views after a reload, as after a backfill.
    @task(outlets=[STRIPE_BACKFILL])
    def report(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(reports)

    reload = StripeReloadOperator.partial(
        task_id="reload", pool=BACKFILL_POOL, map_index_template="{{ task.collection }}"
    ).expand_kwargs(plan())
    report(reload.output)


stripe_reload()
