"""Catching up: polling continues where it stopped; a gap beyond retention is reconciled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapshots import Snapshot
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from stripe_sync.sync.reconcile.schedule import plan_due
from sync_harness import SYNC, SyncHarness, unthrottled

HOUR = 3_600
PATIENCE = 60.0
"""Seconds to wait for something that will happen."""


@pytest.fixture(scope="module")
def filled(original: SyncHarness, postgres_url: str) -> Snapshot:
    """A sync that was backfilled when the account was empty."""
    harness = unthrottled(original)
    harness.backfill("customer", "product")
    harness.poll()
    return Snapshot.of(harness, postgres_url)


@pytest.fixture
def shop(filled: Snapshot, tmp_path: Path) -> Iterator[SyncHarness]:
    """A copy of that sync."""
    with filled.copy(tmp_path) as copy:
        yield copy


def miss_events(harness: SyncHarness, count: int, *, spread: str = "even") -> None:
    """Make Stripe events as if polling had missed them for five hours."""
    now = int(harness.sandbox.control.clock())
    harness.sql(
        "UPDATE stripe_sync.poll_state SET cutoff = to_timestamp(%s), cursor = NULL,"
        " polled_at = to_timestamp(%s) RETURNING 1",
        now - 6 * HOUR,
        now - 6 * HOUR,
    )
    harness.sandbox.control.seed(
        {"product": count}, start=now - 5 * HOUR, end=now, emit=True, spread=spread
    )


@pytest.mark.parametrize("spread", ["even", "burst", "growing"])
def test_after_hours_everything_is_applied_once_and_in_order(
    shop: SyncHarness, spread: str
) -> None:
    miss_events(shop, 1_500, spread=spread)
    shop.poll(30)
    rows = shop.sql(
        "SELECT stripe_event_id, upstream_updated_at FROM stripe_raw.events"
        " WHERE stripe_event_id IS NOT NULL ORDER BY seq"
    )
    assert len({row[0] for row in rows}) == len(rows) == 1_500
    times = [row[1] for row in rows]
    assert times == sorted(times)
    shop.assert_streams_agree()


def test_a_new_poller_continues_catching_up(shop: SyncHarness) -> None:
    miss_events(shop, 1_500)
    for _ in range(40):
        shop.poll()  # a new poller each time
    count = "SELECT count(DISTINCT stripe_event_id), count(*) FROM stripe_raw.events"
    assert shop.sql(f"{count} WHERE stripe_event_id IS NOT NULL") == [(1_500, 1_500)]
    shop.assert_streams_agree()


def test_a_late_stripe_event_far_below_the_first_page_is_found(shop: SyncHarness) -> None:
    """The lookback has more events than a poll reads from the top."""
    control = shop.sandbox.control
    now = int(control.clock())
    late = shop.stripe.v1.customers.create({"name": "late"})
    [event] = control.objects("event")
    control.remove("event", event["id"])
    control.seed({"product": 1_000}, start=now - 300, end=now, emit=True)
    shop.poll(20)
    assert shop.sql("SELECT 1 FROM stripe_raw.records WHERE upstream_id = %s", late.id) == []
    control.append_events([{**event, "created": now - 250}])

    async def poll_until_found() -> None:
        async with shop.polling() as poller, asyncio.timeout(PATIENCE):
            while not (await poller.poll()).found:
                pass

    asyncio.run(poll_until_found())
    assert [e["stripe_event_id"] for e in shop.events(late.id)] == [event["id"]]
    shop.assert_streams_agree()


def test_a_month_without_polling_is_a_gap_that_reconcile_closes(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    kept = shop.stripe.v1.customers.create({"name": "kept"})
    gone = shop.stripe.v1.customers.create({"name": "gone"})
    shop.poll()
    # These changes are out of retention when polling continues.
    shop.stripe.v1.customers.update(kept.id, {"name": "changed"})
    shop.stripe.v1.customers.delete(gone.id)
    missed = shop.stripe.v1.customers.create({"name": "missed"})
    month = timedelta(days=31)
    control.clock(advance=month.total_seconds())
    seen = shop.stripe.v1.customers.create({"name": "seen"})
    shop.poll(5)

    assert shop.record(kept.id)["payload"]["name"] == "kept"
    assert shop.record(seen.id)["payload"]["name"] == "seen"
    gap = (
        "SELECT ended_at - began_at > '30 days', reconciled_at IS NULL"
        " FROM stripe_sync.retention_gaps"
    )
    assert shop.sql(gap) == [(True, True)]

    now = datetime.now(UTC)
    due = plan_due(shop.connections, SYNC, now)
    assert {(each.collection, each.window_days) for each in due} == {
        ("customer", None),
        ("product", None),
    }
    for each in due:
        reconcile_collection(shop.connections, SYNC, each.collection)
    assert shop.record(kept.id)["payload"]["name"] == "changed"
    assert shop.record(gone.id)["deleted"]
    assert shop.record(missed.id)["payload"]["name"] == "missed"
    shop.assert_streams_agree()

    assert plan_due(shop.connections, SYNC, now) == []
    assert shop.sql(gap) == [(True, False)]
    shop.poll()
    assert len(shop.sql(gap)) == 1


def test_a_sync_without_changes_for_a_month_has_no_gap(shop: SyncHarness) -> None:
    """It was polled all the time."""
    for _ in range(3):
        shop.sandbox.control.clock(advance=timedelta(days=15).total_seconds())
        shop.poll()
    assert shop.sql("SELECT count(*) FROM stripe_sync.retention_gaps") == [(0,)]
