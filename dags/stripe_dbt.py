"""Builds the views `stripe.records`, `stripe.events` and one for each collection, and tests them.

They are views: new rows show in them at once, without this DAG. It runs after every backfill and
once a day, for its tests and for the data docs, which it publishes under *Browse → Stripe data
docs*.

**By hand:** *Trigger* in the UI, or on the command line:

    make airflow ARGS="dags trigger stripe_dbt"

Over REST: `POST /api/v2/dags/stripe_dbt/dagRuns` with `{"logical_date": null}`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag

from stripe_airflow.operators.dbt import StripeDbtOperator


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 4 * * *", timezone="UTC"),
        assets=[Asset("stripe_backfill")],
    ),
    max_active_runs=1,
    tags=["stripe", "transform"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 1, "retry_delay": timedelta(seconds=30)},
)
def stripe_dbt() -> None:
    StripeDbtOperator(task_id="build")


stripe_dbt()
