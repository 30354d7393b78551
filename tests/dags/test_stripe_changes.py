"""The trigger and the asset that DAGs are scheduled on when data changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync_harness import SYNC, SyncHarness, make_harness

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture
def harness(sandbox: Any, warehouse_url: str, tmp_path: Any) -> SyncHarness:
    harness = make_harness(sandbox, warehouse_url, tmp_path)
    harness.backfill("customer")
    harness.poll()
    return harness


def test_one_trigger_event_has_the_changes_of_a_sync(harness: SyncHarness) -> None:
    from stripe_airflow.triggers.stripe_changes import StripeChangesTrigger

    async def run() -> Any:
        fired = StripeChangesTrigger(seconds=0.2).run()
        first = asyncio.ensure_future(anext(fired))
        # It reports commits after it has read the last seq of each stream.
        ready = "SELECT count(*) FROM pg_stat_activity WHERE query ~ %s AND state = 'idle'"
        while harness.sql(ready, r"^\s*SELECT s\.name")[0][0] == 0:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(change)
        event = await asyncio.wait_for(first, 20)
        await fired.aclose()
        return event.payload

    def change() -> None:
        for name in ("Paul", "Chani"):
            harness.stripe.v1.customers.create({"name": name})
        harness.poll()

    payload = asyncio.run(run())
    last = harness.sql("SELECT last_seq FROM stripe_sync.stream_position")[0][0]
    assert payload == {
        "sync": SYNC,
        "changes": 4,
        "collections": {"stripe:customer": 2, "stripe:event": 2},
        "last_seq": last,
    }


def test_a_dag_can_be_scheduled_on_changes() -> None:
    from airflow.sdk import DAG

    from stripe_airflow.assets import STRIPE_CHANGES

    dag = DAG("on_changes", schedule=[STRIPE_CHANGES])
    [watcher] = STRIPE_CHANGES.watchers
    assert watcher.trigger.serialize() == (
        "stripe_airflow.triggers.stripe_changes.StripeChangesTrigger",
        {"seconds": 5.0, "warehouse_conn_id": "stripe_warehouse"},
    )
    assert dag.timetable is not None
