"""Polling one sync: every change becomes one change event."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from stripe_sync.clock import SystemClock
from stripe_sync.errors import PermissionDenied, SyncBusy
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness, unthrottled


def from_polling(harness: SyncHarness, upstream_id: str) -> list[dict[str, Any]]:
    return [event for event in harness.events(upstream_id) if event["source"] == "poll"]


@pytest.fixture
def customer(harness: SyncHarness) -> str:
    """A customer that a backfill stored; polled once since."""
    made = harness.stripe.v1.customers.create({"name": "Duncan Idaho", "metadata": {"a": "1"}})
    harness.backfill("customer")
    harness.poll()
    return made.id


def test_an_update_has_its_old_values(harness: SyncHarness, customer: str) -> None:
    harness.stripe.v1.customers.update(
        customer, {"name": "Paul Atreides", "metadata": {"a": "2", "b": "new"}}
    )
    harness.poll()
    event = harness.events(customer)[-1]
    assert (event["event_type"], event["source"]) == ("updated", "poll")
    assert event["changes"] == {"name": "Duncan Idaho", "metadata": {"a": "1", "b": None}}
    assert event["data"]["name"] == "Paul Atreides"
    assert event["stripe_event_id"].startswith("evt_")
    record = harness.record(customer)
    assert (record["payload"], record["seq"]) == (event["data"], event["seq"])
    harness.assert_streams_agree()


def test_polling_again_adds_nothing(harness: SyncHarness, customer: str) -> None:
    harness.stripe.v1.customers.update(customer, {"name": "Paul Atreides"})
    harness.poll()
    before = harness.contents()
    harness.poll(3)
    assert harness.contents() == before


def test_each_of_several_changes_keeps_its_own_old_values(
    harness: SyncHarness, customer: str
) -> None:
    for name in ("Paul", "Usul", "Muad'Dib"):
        harness.stripe.v1.customers.update(customer, {"name": name})
    harness.poll()
    updates = [event for event in harness.events(customer) if event["event_type"] == "updated"]
    assert [event["changes"]["name"] for event in updates] == ["Duncan Idaho", "Paul", "Usul"]
    assert updates[-1]["data"]["name"] == "Muad'Dib"
    harness.assert_streams_agree()


def test_a_deletion_keeps_the_last_payload(harness: SyncHarness, customer: str) -> None:
    harness.stripe.v1.customers.delete(customer)
    harness.poll()
    record = harness.record(customer)
    assert record["deleted"]
    assert record["payload"]["name"] == "Duncan Idaho"
    assert harness.events(customer)[-1]["event_type"] == "deleted"
    harness.assert_streams_agree()


def test_a_change_from_before_the_first_poll_has_no_lag(harness: SyncHarness) -> None:
    customers = harness.stripe.v1.customers
    customer = customers.create({"name": "Paul"}).id
    harness.backfill("customer")
    customers.update(customer, {"name": "Usul"})
    changed = SystemClock().now()
    while SystemClock().now() < changed + timedelta(seconds=3):
        continue  # Stripe's times are whole seconds, and so is what is known of its clock
    report = harness.poll()
    assert (report.stripe_events > 0, report.lags) == (True, [])
    customers.update(customer, {"name": "Muad'Dib"})
    report = harness.poll()
    assert len(report.lags) == report.stripe_events == 1


def test_made_and_deleted_between_two_polls(harness: SyncHarness, customer: str) -> None:
    made = harness.stripe.v1.customers.create({"name": "Gurney"})
    harness.stripe.v1.customers.delete(made.id)
    harness.poll()
    assert [event["event_type"] for event in harness.events(made.id)] == ["created", "deleted"]
    assert harness.record(made.id)["payload"]["name"] == "Gurney"
    harness.assert_streams_agree()


def test_an_id_that_is_created_again_is_the_same_record(
    harness: SyncHarness, customer: str
) -> None:
    coupons = harness.stripe.v1.coupons
    coupons.create({"id": "SPICE", "percent_off": 10, "duration": "once"})
    harness.poll()
    coupons.delete("SPICE")
    harness.poll()
    assert harness.record("SPICE")["deleted"]
    coupons.create({"id": "SPICE", "percent_off": 20, "duration": "once"})
    harness.poll()
    assert not harness.record("SPICE")["deleted"]
    coupons.delete("SPICE")
    coupons.create({"id": "SPICE", "percent_off": 30, "duration": "once"})
    harness.poll()
    record = harness.record("SPICE")
    assert (record["deleted"], record["payload"]["percent_off"]) == (False, 30)
    assert [event["event_type"] for event in harness.events("SPICE")] == [
        "created",
        "deleted",
        "created",
        "deleted",
        "created",
    ]
    harness.assert_streams_agree()


def test_a_cancelled_subscription_is_an_update(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    harness.backfill("subscription")
    active = harness.stripe.v1.subscriptions.list({"status": "active", "limit": 1}).data[0]
    harness.stripe.v1.subscriptions.cancel(active.id)
    harness.poll()
    record = harness.record(active.id)
    assert (record["deleted"], record["payload"]["status"]) == (False, "canceled")
    assert harness.events(active.id)[-1]["event_type"] == "updated"


def test_a_late_stripe_event_is_not_lost(harness: SyncHarness, customer: str) -> None:
    harness.sandbox.control.fault("late_event", endpoint="customer.updated", seconds=60, next=1)
    harness.stripe.v1.customers.update(customer, {"name": "Paul"})
    harness.stripe.v1.customers.create({"name": "Another customer"})
    harness.poll()
    assert from_polling(harness, customer) == []
    harness.sandbox.control.clock(advance=61)
    harness.poll()
    [late] = from_polling(harness, customer)
    assert (late["changes"], late["data"]["name"]) == ({"name": "Duncan Idaho"}, "Paul")
    harness.assert_streams_agree()


def test_a_late_stripe_event_never_takes_a_record_back(harness: SyncHarness, customer: str) -> None:
    harness.sandbox.control.fault("late_event", endpoint="customer.updated", seconds=60, next=1)
    harness.stripe.v1.customers.update(customer, {"name": "Paul"})
    harness.stripe.v1.customers.update(customer, {"name": "Usul"})
    harness.poll()
    harness.sandbox.control.clock(advance=61)
    harness.poll()
    assert harness.record(customer)["payload"]["name"] == "Usul"
    changes = [event["changes"] for event in from_polling(harness, customer)]
    assert changes == [{"name": "Paul"}, {"name": "Duncan Idaho"}]
    harness.assert_streams_agree()


def test_a_change_during_a_backfill_is_not_lost(harness: SyncHarness) -> None:
    made = harness.stripe.v1.customers.create({"name": "Duncan"})
    names = harness.plan("customer")
    harness.stripe.v1.customers.update(made.id, {"name": "Paul"})
    assert names == ["customer"]
    harness.backfill("customer")
    harness.poll()
    assert harness.record(made.id)["payload"]["name"] == "Paul"
    assert {"name": "Duncan"} in [event["changes"] for event in from_polling(harness, made.id)]
    harness.assert_streams_agree()


def test_the_stored_shape_is_the_pinned_version(harness: SyncHarness) -> None:
    harness.sandbox.control.settings(api_version="2024-06-20")
    harness = unthrottled(harness)
    harness.sandbox.control.seed({"promotion_code": 3})
    harness.backfill("promotion_code")
    code = harness.stripe.v1.promotion_codes.list({"limit": 1}).data[0]
    harness.stripe.v1.promotion_codes.update(code.id, {"metadata": {"seen": "1"}})
    harness.poll()
    event = from_polling(harness, code.id)[-1]
    assert event["api_version"] == "2026-10-28.endive"
    assert "promotion" in event["data"]
    assert "coupon" not in event["data"]
    own = harness.record(event["stripe_event_id"])
    assert own["api_version"] == "2024-06-20"


def test_stripe_events_are_records_too(harness: SyncHarness, customer: str) -> None:
    harness.stripe.v1.customers.update(customer, {"name": "Paul"})
    harness.poll()
    event = from_polling(harness, customer)[-1]
    record = harness.record(event["stripe_event_id"])
    assert record["collection_id"] == "stripe:event"
    assert record["payload"]["data"]["object"]["id"] == customer


def test_an_object_that_cannot_be_fetched_is_retried_and_delays_no_other(
    harness: SyncHarness, customer: str
) -> None:
    other = harness.stripe.v1.customers.create({"name": "Jessica"})
    harness.poll()
    harness.stripe.v1.customers.update(customer, {"name": "Paul"})
    harness.sandbox.control.fault("server_error", endpoint="GET /v1/customers/*", next=50)
    harness.stripe.v1.products.create({"name": "Spice"})
    harness.poll()
    assert harness.record(customer)["payload"]["name"] == "Duncan Idaho"
    products = "SELECT payload->>'name' FROM stripe_raw.records WHERE collection_id = %s"
    assert harness.sql(products, "stripe:product") == [("Spice",)]
    harness.sandbox.control.no_faults()
    harness.poll()
    assert harness.record(customer)["payload"]["name"] == "Paul"
    assert harness.record(other.id)["payload"]["name"] == "Jessica"
    harness.assert_streams_agree()


def test_the_changes_of_an_object_stay_in_order_though_a_fetch_failed(
    harness: SyncHarness, customer: str
) -> None:
    control, customers = harness.sandbox.control, harness.stripe.v1.customers

    async def run() -> None:
        async with harness.polling() as poller:
            control.fault("server_error", endpoint="GET /v1/customers/*")
            customers.update(customer, {"name": "b"})
            await poller.poll()
            control.no_faults()
            customers.update(customer, {"name": "c"})
            while len(harness.events(customer)) < 3:
                await poller.poll()

    asyncio.run(run())
    changes = [event["changes"] for event in harness.events(customer)[1:]]
    assert [each["name"] for each in changes] == ["Duncan Idaho", "b"]
    harness.assert_streams_agree()


def test_an_object_that_cannot_be_fetched_for_ten_minutes_is_stored_as_its_event_reports_it(
    harness: SyncHarness, customer: str
) -> None:
    control = harness.sandbox.control
    control.fault("server_error", endpoint="GET /v1/customers/*")
    harness.stripe.v1.customers.update(customer, {"name": "b"})
    control.clock(advance=700)

    async def run() -> None:
        async with harness.polling() as poller:
            while len(harness.events(customer)) < 2:
                await poller.poll()
            # Stored with the next batch: what a new poller reads again.
            harness.stripe.v1.products.create({"name": "Spice"})
            await poller.poll()

    asyncio.run(run())
    assert harness.events(customer)[-1]["changes"]["name"] == "Duncan Idaho"
    query = "SELECT cursor->>'failing_since', (SELECT count(*) FROM stripe_sync.pending_fetches)"
    assert harness.sql(f"{query} FROM stripe_sync.poll_state") == [(None, 1)]
    control.no_faults()
    harness.poll(3)
    assert harness.record(customer)["payload"]["name"] == "b"
    harness.assert_streams_agree()


def test_changes_reach_the_lake(harness: SyncHarness, customer: str) -> None:
    harness.stripe.v1.customers.update(customer, {"name": "Paul"})
    harness.poll()
    stored = {row[0] for row in harness.sql("SELECT id::text FROM stripe_raw.events")}
    assert set(harness.lake.events()["id"]) == stored
    assert len(harness.lake.events()) == len(stored)
    newest = harness.lake.records("customer").set_index("upstream_id")
    assert newest.loc[customer, "updated_idx"] == harness.record(customer)["updated_idx"]


def test_two_pollers_never_share_a_sync(harness: SyncHarness, customer: str) -> None:
    class SkippingClock(SystemClock):
        """A clock that skips five seconds at each wait."""

        def __init__(self) -> None:
            self.skipped = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.skipped

        async def sleep(self, seconds: float) -> None:
            self.skipped += 5.0

    async def poll() -> None:
        async with harness.polling(SkippingClock()):
            pass

    with Warehouse(harness.connections.warehouse_url) as warehouse:
        sync = warehouse.syncs.get(SYNC)
        assert warehouse.polls.acquire_lease(sync.id, "another process", seconds=60)
        with pytest.raises(SyncBusy, match=SYNC):
            asyncio.run(poll())
        warehouse.polls.release_lease(sync.id, "another process")
        asyncio.run(poll())


def test_a_key_that_may_not_read_events_is_refused_with_the_permission(
    harness: SyncHarness,
) -> None:
    harness.sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read"])
    few = harness.with_key("rk_test_few")
    few.backfill("customer")
    with pytest.raises(PermissionDenied, match="rak_event_read"):
        few.poll()
