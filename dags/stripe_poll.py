"""Watches Stripe's events twice a second and applies every change to lake and warehouse.

It runs all the time, in runs of five minutes: unpause it once `stripe_backfill` has run, and leave
it. A run may be cut anywhere; the next one goes on where it was. It serves all syncs that are
active; one that is added, paused or removed is noticed within seconds, and one that fails does not
hold up the others. When none can be polled (a revoked key, say) five times in a row, it pauses
itself: mend the cause and unpause it.

**By hand:** unpause it in the UI, or on the command line:

    make airflow ARGS="dags unpause stripe_poll"

Over REST: `PATCH /api/v2/dags/stripe_poll` with `{"is_paused": false}`.

Two environment variables of the DAG processor: `STRIPE_POLL_SHARDS` spreads the syncs over that
many tasks (one task serves some hundred), `STRIPE_POLL_RUN_SECONDS` says how long a run lasts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from stripe_airflow.params import syncs_param
from stripe_airflow.sensors.stripe_events import RUN_SECONDS, SHARDS, StripeEventSensor


# With a start before the first run each run has a logical date of its own; without one the second
# would have that of the first, and never be made.
@dag(
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    max_consecutive_failed_dag_runs=5,
    params={"syncs": syncs_param()},
    render_template_as_native_obj=True,
    tags=["stripe", "extract"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 5, "retry_delay": timedelta(seconds=5)},
)
def stripe_poll() -> None:
    StripeEventSensor.partial(
        task_id="watch",
        syncs="{{ params.syncs }}",
        shards=SHARDS,
        poke_interval=0.5,
        run_seconds=RUN_SECONDS,
    ).expand(shard=list(range(SHARDS)))


stripe_poll()
