"""Builds the views `stripe.records`, `stripe.events` and one for each collection, and tests them.

New rows are in the views at once, without this DAG. It runs after every backfill and once a day,
to test the views and to publish the data docs under *Browse → Stripe data docs*.

**By hand:** *Trigger* in the UI, or on the command line:

    make airflow ARGS="dags trigger stripe_dbt"

Over REST: `POST /api/v2/dags/stripe_dbt/dagRuns` with `{"logical_date": null}`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag

from stripe_airflow.assets import STRIPE_BACKFILL
from stripe_airflow.operators.dbt import StripeDbtOperator


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 4 * * *", timezone="UTC"), assets=[STRIPE_BACKFILL]
    ),
    max_active_runs=1,
    tags=["stripe", "transform"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 1, "retry_delay": timedelta(seconds=30)},
)
def stripe_dbt() -> None:
    StripeDbtOperator(task_id="build")


stripe_dbt()
