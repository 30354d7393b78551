"""Watches Stripe's events twice a second and applies every change to lake and warehouse.

It runs all the time, in runs of five minutes: unpause it once `stripe_backfill` has run, and leave
it. A run may be cut anywhere; the next one goes on where it was. After five failed runs in a row
(a revoked key, say) it pauses itself: mend the cause and unpause it.

**By hand:** unpause it in the UI, or on the command line:

    make airflow ARGS="dags unpause stripe_poll"

Over REST: `PATCH /api/v2/dags/stripe_poll` with `{"is_paused": false}`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from stripe_airflow.params import sync_param
from stripe_airflow.sensors.stripe_events import StripeEventSensor


@dag(
    schedule="@continuous",
    max_active_runs=1,
    max_consecutive_failed_dag_runs=5,
    params={"sync": sync_param()},
    tags=["stripe", "extract"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 5, "retry_delay": timedelta(seconds=5)},
)
def stripe_poll() -> None:
    StripeEventSensor(task_id="watch", sync="{{ params.sync }}", poke_interval=0.5, run_seconds=300)


stripe_poll()
