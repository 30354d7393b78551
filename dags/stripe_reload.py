"""Rebuilds the warehouse from the Parquet files of the lake, without asking Stripe for anything.

For a warehouse that was lost, or a new one beside it: point the connection `stripe_warehouse` to
it and run this. Records and change events come back as they were; their positions (`seq`) are
given out anew. What is there already stays, so it may be stopped and run again at any time.

Pause `stripe_poll` before, and unpause it after: it then goes on with what happened meanwhile.

**By hand:** *Trigger* in the UI shows a form. On the command line:

    make airflow ARGS="dags trigger stripe_reload"

Over REST: `POST /api/v2/dags/stripe_reload/dagRuns` with
`{"logical_date": null, "conf": {"collections": ["customer"]}}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, dag, get_current_context, task

from stripe_airflow.operators.reload import StripeReloadOperator
from stripe_airflow.params import reload_params
from stripe_airflow.reload import plan_reloads
from stripe_airflow.retries import STRIPE_RETRY_POLICY


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
    def plan() -> list[dict[str, Any]]:
        return plan_reloads(get_current_context()["params"])

    # The views are built after it, as after a backfill.
    @task(outlets=[Asset("stripe_backfill")])
    def report(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(reports)

    reload = StripeReloadOperator.partial(
        task_id="reload", pool="stripe_backfill", map_index_template="{{ task.collection }}"
    ).expand_kwargs(plan())
    report(reload.output)


stripe_reload()
