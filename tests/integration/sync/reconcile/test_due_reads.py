"""Which collections are due to be read again, and which are read on demand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from integration.sync.reconcile.reading import reconcile
from stripe_sync.catalog import load_catalog
from stripe_sync.clock import SystemClock
from stripe_sync.records import CollectionStatus
from stripe_sync.sync.reconcile.schedule import DueRead, plan_chosen, plan_due
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness

CATALOG = load_catalog()


def due(harness: SyncHarness, now: datetime) -> dict[str, int | None]:
    found = plan_due(harness.connections, SYNC, now)
    return {each.collection: each.window_days for each in found}


def backfilled(harness: SyncHarness, at: datetime, *names: str) -> None:
    harness.backfill(*names)
    harness.sql(
        "UPDATE stripe_sync.collection_state SET started_at = %s RETURNING collection_id", at
    )


def test_nothing_is_due_before_a_backfill(quick: SyncHarness) -> None:
    assert due(quick, SystemClock().now()) == {}


def test_windows_come_round_and_whole_collections_at_night(quick: SyncHarness) -> None:
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
    backfilled(quick, start, "customer", "coupon", "balance_transaction")
    assert due(quick, start + timedelta(minutes=14)) == {}
    assert due(quick, start + timedelta(minutes=15)) == {"balance_transaction": 1}
    night = datetime(2026, 3, 3, 3, tzinfo=UTC)
    assert due(quick, night) == {"coupon": None, "balance_transaction": 1}
    assert due(quick, start + timedelta(days=1))["balance_transaction"] == 10
    sunday = datetime(2026, 3, 8, 3, tzinfo=UTC)
    before = due(quick, sunday - timedelta(seconds=1))
    assert (before["balance_transaction"], "customer" in before) == (10, False)
    assert due(quick, sunday) == dict.fromkeys(["customer", "coupon", "balance_transaction"])


def test_what_was_read_again_is_not_due(quick: SyncHarness) -> None:
    now = SystemClock().now()
    backfilled(quick, now - timedelta(days=20), "customer", "balance_transaction")
    assert due(quick, now) == dict.fromkeys(["customer", "balance_transaction"])
    reconcile(quick, "customer")
    reconcile(quick, "balance_transaction")
    assert due(quick, now) == {}
    assert due(quick, now + timedelta(minutes=16)) in (
        {"balance_transaction": 1},
        dict.fromkeys(["customer", "balance_transaction"]),  # a Sunday night passed
    )
    reconcile(quick, "balance_transaction", days=1)
    assert due(quick, SystemClock().now()) == {}


def test_a_gap_stays_open_until_a_backfill_that_began_in_it_was_read_again(
    quick: SyncHarness,
) -> None:
    now = SystemClock().now()
    backfilled(quick, now - timedelta(hours=2), "customer", "coupon")
    with Warehouse(quick.connections.warehouse_url) as warehouse:
        sync = warehouse.syncs.get(SYNC)
        month = timedelta(days=31)
        warehouse.gaps.open(sync.id, began_at=now - month, ended_at=now, reason="a test")
        state = warehouse.collections.state(sync.id, "stripe:customer")
        assert state
        generation = state.generation
        warehouse.collections.start(sync.id, "stripe:customer", generation=generation, resumed=True)
        assert due(quick, now) == {"coupon": None}
        reconcile(quick, "coupon")
        assert due(quick, now) == {}
        assert warehouse.gaps.newest_open(sync.id)
        warehouse.collections.finish(sync.id, "stripe:customer", CollectionStatus.DONE)
        assert due(quick, now) == {"customer": None}
        reconcile(quick, "customer")
        assert due(quick, now) == {}
        assert warehouse.gaps.newest_open(sync.id) is None


def test_chosen_collections_come_parents_first_whether_due_or_not(quick: SyncHarness) -> None:
    chosen = partial(plan_chosen, quick.connections, SYNC)
    assert chosen(["stripe:person", "customer"], None) == [
        DueRead("customer", None),
        DueRead("person", None),
    ]
    derived_collections = [each.collection for each in chosen(["upcoming_line_item"], None)]
    assert derived_collections == ["upcoming_subscription_invoice", "upcoming_customer_invoice"]
    recent = {each.collection for each in chosen([], 7)}
    assert {"charge", "setup_attempt"} <= recent
    assert not recent & {"mandate", "payment_method", "discount"}
    assert len(chosen([], None)) == len(CATALOG) - 1
