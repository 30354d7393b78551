"""Polls Stripe events twice a second and writes every change to lake and warehouse.

It runs continuously, in runs of five minutes: unpause it once `stripe_backfill` has run. A run may
be stopped at any time; the next one continues. It polls all active syncs; a sync that is added,
paused or removed is noticed within seconds, and one that fails does not delay the others. The task
waits for the end of an outage of Stripe or the warehouse, however long it is. If no sync can be
polled (a revoked key, for example), the run fails at its end with the reason, and the next run
tries again: fix the cause, and polling continues without a hand on the DAG.

**By hand:** unpause it in the UI, or on the command line:

    make airflow ARGS="dags unpause stripe_poll"

Over REST: `PATCH /api/v2/dags/stripe_poll` with `{"is_paused": false}`.

Two environment variables of the DAG processor: `STRIPE_POLL_SHARDS` is the number of tasks that
the syncs are divided among (one task polls some hundred syncs), `STRIPE_POLL_RUN_SECONDS` the
duration of a run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from stripe_airflow.params import syncs_param
from stripe_airflow.runs.continuous import POLL, run_seconds_of, shards_of
from stripe_airflow.sensors.stripe_events import StripeEventSensor


# With a start date in the past each run gets a logical date of its own. Without it the second run
# would get that of the first, and Airflow would never create it.
@dag(
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    max_consecutive_failed_dag_runs=0,  # an outage of any length must not pause it
    params={"syncs": syncs_param()},
    render_template_as_native_obj=True,
    tags=["stripe", "extract"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 5, "retry_delay": timedelta(seconds=5)},
)
def stripe_poll() -> None:
    shards = shards_of(POLL)
    StripeEventSensor.partial(
        task_id="poll",
        syncs="{{ params.syncs }}",
        shards=shards,
        poll_interval=0.5,
        run_seconds=run_seconds_of(POLL),
    ).expand(shard=list(range(shards)))


stripe_poll()
