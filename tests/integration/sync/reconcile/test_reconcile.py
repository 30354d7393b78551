"""Reconciling against the sandbox: whatever changed without a word is found, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from integration.sync.reconcile.reading import drift, objects, reconcile
from shop import BackfilledShop
from stripe_sync.catalog import Retrieval, load_catalog
from stripe_sync.errors import ConfigurationError, StripeUnavailable, SyncBusy
from stripe_sync.sync.reconcile.deletions import why_deletes_unknown
from stripe_sync.sync.reconcile.schedule import plan_chosen
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness

CATALOG = load_catalog()
LISTED = (Retrieval.TOP_LEVEL_LIST, Retrieval.NESTED_LIST)


def last(harness: SyncHarness, upstream_id: str) -> tuple[str, str]:
    event = harness.events(upstream_id)[-1]
    return event["event_type"], event["source"]


@pytest.fixture(scope="module")
def shop(
    backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SyncHarness]:
    """The demo's shop, all of it backfilled; each test changes collections of its own."""
    with backfilled.copy(tmp_path_factory.mktemp("reconcile")) as copy:
        yield copy.harness
        copy.harness.assert_streams_agree()


def test_an_unchanged_account_needs_no_repair_in_any_collection(shop: SyncHarness) -> None:
    reports = [
        reconcile(shop, due.collection) for due in plan_chosen(shop.connections, SYNC, [], None)
    ]
    assert {r.collection: r.drift for r in reports if r.drift} == {}
    assert {r.status for r in reports} == {"done"}
    complete = shop.sql(
        "SELECT collection_id FROM stripe_sync.reconcile_state WHERE complete AND window_days = 0"
    )
    expected = [
        collection.id
        for collection in CATALOG.values()
        if collection.retrieval in LISTED and collection.name != "event"
    ]
    assert {row[0] for row in complete} >= set(expected)


def test_silent_changes_are_found_once(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    edited, gone = objects(shop, "product")[:2]
    control.mutate("product", edited["id"], {"name": "Crysknife"})
    control.remove("product", gone["id"])
    control.put({**edited, "id": "prod_silent", "name": "Stillsuit"})
    report = reconcile(shop, "product")
    assert (report.status, report.message, drift(report)) == ("done", None, (1, 1, 1))
    event = shop.events(edited["id"])[-1]
    assert (event["event_type"], event["source"]) == ("updated", "reconcile")
    assert event["changes"] == {"name": edited["name"]}
    assert last(shop, "prod_silent") == ("created", "reconcile")
    assert last(shop, gone["id"]) == ("deleted", "reconcile")
    assert shop.record(gone["id"])["payload"]["name"] == gone["name"]
    again = reconcile(shop, "product")
    assert (drift(again), again.objects) == ((0, 0, 0), again.unchanged)
    rows = shop.sql(
        "SELECT objects, drift, complete, message FROM stripe_sync.reconcile_state"
        " WHERE collection_id = 'stripe:product' AND window_days = 0"
    )
    assert rows == [(again.objects, 0, True, None)]


def test_corrections_are_in_the_lake_once(shop: SyncHarness) -> None:
    edited, gone = objects(shop, "coupon")[:2]
    shop.sandbox.control.mutate("coupon", edited["id"], {"name": "Melange"})
    shop.sandbox.control.remove("coupon", gone["id"])
    reconcile(shop, "coupon")
    reconcile(shop, "coupon")
    events = shop.lake.events("coupon")
    found = events[events["source"] == "reconcile"]
    assert sorted(found["upstream_id"]) == sorted([edited["id"], gone["id"]])
    records = shop.lake.records("coupon").set_index("upstream_id")
    assert bool(records.loc[gone["id"], "deleted"])
    stored = shop.sql("SELECT count(*) FROM stripe_raw.events WHERE collection_id='stripe:coupon'")
    assert stored == [(len(events),)]


def test_an_untouched_shop_needs_nothing_and_keeps_its_backfill_state(shop: SyncHarness) -> None:
    before = shop.state("dispute")
    assert drift(reconcile(shop, "dispute")) == (0, 0, 0)
    assert shop.state("dispute") == before


def test_a_review_that_leaves_the_list_was_closed(shop: SyncHarness) -> None:
    review = objects(shop, "review", open=True)[0]
    changes = {"open": False, "reason": "approved", "closed_reason": "approved"}
    shop.sandbox.control.mutate("review", review["id"], changes)
    report = reconcile(shop, "review")
    assert drift(report) == (0, 1, 0)
    record = shop.record(review["id"])
    assert (record["deleted"], record["payload"]["open"]) == (False, False)
    again = reconcile(shop, "review")
    # Once it is known to be closed nobody asks for it again.
    assert (drift(again), again.requests) == ((0, 0, 0), report.requests - 1)


def test_a_payment_method_that_was_detached_still_exists(shop: SyncHarness) -> None:
    attached = next(m for m in objects(shop, "payment_method") if m["customer"])
    shop.sandbox.control.mutate("payment_method", attached["id"], {"customer": None})
    report = reconcile(shop, "payment_method")
    assert drift(report) == (0, 1, 0)
    assert not shop.record(attached["id"])["deleted"]


def test_missing_children_are_retrieved_before_they_are_marked_as_deleted(
    shop: SyncHarness,
) -> None:
    gone = next(a for a in objects(shop, "bank_account") if a["customer"])
    shop.sandbox.control.remove("bank_account", gone["id"])
    stored = {row[0] for row in shop.sql("SELECT upstream_id FROM stripe_raw.records")}
    edited = next(p for p in objects(shop, "person") if p["id"] in stored)
    shop.sandbox.control.mutate("person", edited["id"], {"first_name": "Alia"})
    assert drift(reconcile(shop, "bank_account")) == (0, 0, 1)
    assert last(shop, gone["id"]) == ("deleted", "reconcile")
    assert drift(reconcile(shop, "person")) == (0, 1, 0)
    assert drift(reconcile(shop, "bank_account")) == (0, 0, 0)


def test_children_of_a_deleted_parent_stay(shop: SyncHarness) -> None:
    note = objects(shop, "credit_note")[0]
    shop.sandbox.control.remove("credit_note", note["id"])
    lines = shop.sql(
        "SELECT upstream_id, deleted FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:credit_note_line_item' AND parent_id = %s",
        note["id"],
    )
    assert drift(reconcile(shop, "credit_note")) == (0, 0, 1)
    assert drift(reconcile(shop, "credit_note_line_item")) == (0, 0, 0)
    assert lines
    assert not any(deleted for _, deleted in lines)


def test_an_object_that_comes_back_is_the_same_record(shop: SyncHarness) -> None:
    plan = objects(shop, "plan")[0]
    shop.sandbox.control.remove("plan", plan["id"])
    assert drift(reconcile(shop, "plan")) == (0, 0, 1)
    shop.sandbox.control.put(plan)
    assert drift(reconcile(shop, "plan")) == (1, 0, 0)
    assert not shop.record(plan["id"])["deleted"]


def test_a_window_repairs_what_is_recent_and_never_deletes(quick: SyncHarness) -> None:
    control = quick.sandbox.control
    made = [quick.stripe.v1.customers.create({"name": name}).id for name in ("Leto", "Jessica")]
    control.seed({"customer": 3}, start=1_600_000_000, end=1_600_001_000)
    old = objects(quick, "customer")[0]["id"]
    quick.backfill("customer")
    control.mutate("customer", made[0], {"name": "Leto II"})
    control.mutate("customer", old, {"name": "Old"})
    control.remove("customer", made[1])
    report = reconcile(quick, "customer", days=2)
    assert (drift(report), report.objects, report.window_days) == ((0, 1, 0), 1, 2)
    assert "window" in str(report.message)
    assert not quick.record(made[1])["deleted"]
    assert drift(reconcile(quick, "customer")) == (0, 1, 1)
    quick.assert_streams_agree()


def test_a_window_reads_children_of_recent_parents(shop: SyncHarness) -> None:
    transfer = shop.stripe.v1.transfers.create(
        {"amount": 900, "currency": "usd", "destination": objects(shop, "account")[0]["id"]}
    )
    reversal = shop.stripe.v1.transfers.reversals.create(transfer.id, {"amount": 1})
    report = reconcile(shop, "transfer_reversal", days=1)
    assert last(shop, reversal.id) == ("created", "reconcile")
    assert report.requests < len(objects(shop, "transfer"))


def test_a_collection_without_times_has_no_window(shop: SyncHarness) -> None:
    with pytest.raises(ConfigurationError, match="mandate cannot be read by creation time"):
        reconcile(shop, "mandate", days=1)


@pytest.mark.parametrize("days", [0, -5])
def test_an_empty_window_is_refused(quick: SyncHarness, days: int) -> None:
    """It would count as a read of everything."""
    with pytest.raises(ConfigurationError, match="is empty"):
        reconcile(quick, "customer", days=days)
    with pytest.raises(ConfigurationError, match=f"window_days is {days}"):
        plan_chosen(quick.connections, SYNC, [], days)
    with pytest.raises(ConfigurationError, match="give 1 to 36,500"):
        plan_chosen(quick.connections, SYNC, [], 10**30)
    assert quick.sql("SELECT * FROM stripe_sync.reconcile_state") == []


def test_objects_that_the_sync_leaves_out_stay_out(quick: SyncHarness) -> None:
    quick.sandbox.control.seed({"customer": 3}, start=1_600_000_000, end=1_600_001_000)
    made = quick.stripe.v1.customers.create({"name": "Leto"}).id
    quick.backfill("customer", since=datetime(2024, 1, 1, tzinfo=UTC))
    report = reconcile(quick, "customer")
    assert (report.objects, drift(report)) == (1, (0, 0, 0))
    assert "lately" in str(report.message)
    assert quick.sql("SELECT upstream_id FROM stripe_raw.records") == [(made,)]


def test_a_forbidden_collection_is_reported_and_changes_nothing(quick: SyncHarness) -> None:
    quick.sandbox.control.seed({"product": 3})
    quick.backfill("product")
    permissions = ["rak_customer_read", "rak_connected_account_read"]
    quick.sandbox.control.add_key("rk_test_part", permissions=permissions)
    report = reconcile(quick.with_key("rk_test_part"), "product")
    assert (report.status, drift(report)) == ("forbidden", (0, 0, 0))
    assert "rak_product_read" in str(report.message)
    assert quick.state("product")["status"] == "done"


def test_a_failure_is_stored_and_does_not_count_as_a_read(quick: SyncHarness) -> None:
    quick.sandbox.control.seed({"product": 3})
    quick.backfill("product")
    quick.sandbox.control.fault("server_error", endpoint="GET /v1/products", status=500)
    with pytest.raises(StripeUnavailable):
        reconcile(quick, "product")
    rows = quick.sql("SELECT reconciled_at, complete, message FROM stripe_sync.reconcile_state")
    assert rows[0][:2] == (None, False)
    assert rows[0][2]


def test_only_one_process_reads_a_collection(quick: SyncHarness) -> None:
    quick.backfill("product")
    with Warehouse(quick.connections.warehouse_url) as warehouse:
        sync = warehouse.syncs.get(SYNC)
        with (
            warehouse.locks.backfill(sync.id, "stripe:product"),
            pytest.raises(SyncBusy, match="stripe:product"),
        ):
            reconcile(quick, "product")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("customer", None),
        ("person", None),
        ("upcoming_customer_invoice", None),
        ("event", "30 days"),
        ("discount", "may still exist"),
        ("mandate", "may still exist"),
        ("billing_portal.session", "30 days"),
        ("token", "when it is created"),
    ],
)
def test_which_reads_find_deletions(name: str, reason: str | None) -> None:
    found = why_deletes_unknown(CATALOG.resolve(name), window=None, bound=None)
    assert found is None if reason is None else reason in str(found)
