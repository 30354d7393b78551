"""Delivers records and change events to consumers: webhooks, PostgreSQL databases, Kafka.

It runs continuously, in runs of five minutes: unpause it once there is a consumer. A run may be
stopped at any time; the next one continues. It serves all consumers that are not paused; one that
is added, changed, paused or removed is noticed within seconds, and one that fails does not delay
the others: its `last_error` is in the view `stripe.consumer_status`. Pull consumers need no task.

**By hand:** unpause it in the UI, or on the command line:

    make airflow ARGS="dags unpause stripe_deliver"

Over REST: `PATCH /api/v2/dags/stripe_deliver` with `{"is_paused": false}`.

Two environment variables of the DAG processor: `STRIPE_DELIVER_SHARDS` is the number of tasks that
the consumers are divided among, `STRIPE_DELIVER_RUN_SECONDS` the duration of a run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from stripe_airflow.operators.deliver import StripeDeliverOperator
from stripe_airflow.params import consumers_param
from stripe_airflow.runs.continuous import DELIVER, run_seconds_of, shards_of


# With a start date in the past each run gets a logical date of its own. Without it the second run
# would get that of the first, and Airflow would never create it.
@dag(
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    max_consecutive_failed_dag_runs=0,  # an outage of any length must not pause it
    params={"consumers": consumers_param()},
    render_template_as_native_obj=True,
    tags=["stripe", "deliver"],
    doc_md=__doc__,
    default_args={"owner": "stripe", "retries": 5, "retry_delay": timedelta(seconds=5)},
)
def stripe_deliver() -> None:
    shards = shards_of(DELIVER)
    StripeDeliverOperator.partial(
        task_id="deliver",
        consumers="{{ params.consumers }}",
        shards=shards,
        run_seconds=run_seconds_of(DELIVER),
    ).expand(shard=list(range(shards)))


stripe_deliver()
