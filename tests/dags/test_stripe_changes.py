"""The trigger and the asset that DAGs are scheduled on when data changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sync_harness import SYNC, SyncHarness, make_harness

pytestmark = pytest.mark.usefixtures("connections")

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle'
    AND query ~ 'stream_watchers|stream_position AS p'
"""


@pytest.fixture
def harness(sandbox: Any, warehouse_url: str, tmp_path: Any) -> SyncHarness:
    harness = make_harness(sandbox, warehouse_url, tmp_path)
    harness.backfill("customer")
    harness.poll()
    return harness


def change(harness: SyncHarness, *names: str) -> None:
    """Create customers, and poll: two changes each, of the customer and of its Stripe event."""
    for name in names:
        harness.stripe.v1.customers.create({"name": name})
    harness.poll()


def last_seq(harness: SyncHarness) -> int:
    [(seq,)] = harness.sql("SELECT last_seq FROM stripe_sync.stream_position")
    return int(seq)


def stored(harness: SyncHarness) -> list[int]:
    """Positions that the watcher has stored."""
    query = "SELECT (jsonb_each_text(positions)).value::bigint FROM stripe_sync.stream_watchers"
    return [row[0] for row in harness.sql(query)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(harness: SyncHarness) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """A trigger that runs as in the triggerer; the queue gets its payloads."""
    from stripe_airflow.triggers.stripe_changes import StripeChangesTrigger

    payloads: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def run() -> None:
        async for event in StripeChangesTrigger(seconds=0.2).run():
            payloads.put_nowait(event.payload)

    task = asyncio.create_task(run())
    try:
        await until(lambda: len(stored(harness)) == 1)
        yield payloads
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def report(payloads: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
    return await asyncio.wait_for(payloads.get(), 20)


def test_one_trigger_event_has_the_changes_of_a_sync(harness: SyncHarness) -> None:
    async def run() -> dict[str, Any]:
        async with running(harness) as payloads:
            await asyncio.to_thread(change, harness, "Paul", "Chani")
            return await report(payloads)

    assert asyncio.run(run()) == {
        "sync": SYNC,
        "changes": 4,
        "collections": {"stripe:customer": 2, "stripe:event": 2},
        "last_seq": last_seq(harness),
    }


def test_commits_made_while_the_triggerer_is_down_are_reported_once(harness: SyncHarness) -> None:
    async def run(*names: str) -> list[dict[str, Any]]:
        """Reports until everything is reported, of a triggerer that started after the changes."""
        await asyncio.to_thread(change, harness, *names)
        reports = []
        async with running(harness) as payloads:
            while not reports or reports[-1]["last_seq"] < last_seq(harness):
                reports.append(await report(payloads))
            await until(lambda: stored(harness) == [last_seq(harness)])
        assert payloads.empty()
        return reports

    async def start() -> None:
        async with running(harness):
            pass

    asyncio.run(start())
    for names in (["Paul", "Chani"], ["Leto"]):
        [only] = asyncio.run(run(*names))
        assert only["collections"] == {"stripe:customer": len(names), "stripe:event": len(names)}


def test_commits_made_while_its_connection_is_down_are_reported(harness: SyncHarness) -> None:
    async def run() -> dict[str, Any]:
        async with running(harness) as payloads:
            await until(lambda: len(harness.sql(TERMINATE)) == 1)
            await asyncio.to_thread(change, harness, "Paul")
            return await report(payloads)

    assert asyncio.run(run())["last_seq"] == last_seq(harness)


def test_a_report_that_may_not_have_arrived_comes_again(harness: SyncHarness) -> None:
    """The triggerer died right after the trigger fired."""
    from stripe_airflow.triggers.stripe_changes import StripeChangesTrigger

    async def run(seconds: float) -> Any:
        fired = StripeChangesTrigger(seconds=seconds).run()
        event = await asyncio.wait_for(anext(fired), 20)
        await fired.aclose()
        return event.payload

    async def start() -> None:
        async with running(harness):
            pass

    asyncio.run(start())
    change(harness, "Paul")
    assert asyncio.run(run(60)) == asyncio.run(run(60))


def test_a_dag_can_be_scheduled_on_changes() -> None:
    from airflow.sdk import DAG

    from stripe_airflow.assets import STRIPE_CHANGES

    dag = DAG("on_changes", schedule=[STRIPE_CHANGES])
    [watcher] = STRIPE_CHANGES.watchers
    assert watcher.trigger.serialize() == (
        "stripe_airflow.triggers.stripe_changes.StripeChangesTrigger",
        {
            "seconds": 5.0,
            "warehouse_conn_id": "stripe_warehouse",
            "watcher": "stripe_changes",
        },
    )
    assert dag.timetable is not None
