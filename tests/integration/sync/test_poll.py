"""Polling against the sandbox: every change once, whatever Stripe does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stand import SYNC, Stand, quickened
from stripe_sync.clock import SystemClock
from stripe_sync.errors import PermissionDenied, SyncBusy
from stripe_sync.warehouse import Warehouse


def from_polling(stand: Stand, upstream_id: str) -> list[dict[str, Any]]:
    return [event for event in stand.events(upstream_id) if event["source"] == "poll"]


@pytest.fixture
def customer(stand: Stand) -> str:
    """A customer that a backfill stored."""
    made = stand.stripe.v1.customers.create({"name": "Duncan Idaho", "metadata": {"a": "1"}})
    stand.backfill("customer")
    stand.poll()
    return made.id


def test_a_change_comes_with_its_old_values(stand: Stand, customer: str) -> None:
    stand.stripe.v1.customers.update(
        customer, {"name": "Paul Atreides", "metadata": {"a": "2", "b": "new"}}
    )
    stand.poll()
    event = stand.events(customer)[-1]
    assert (event["event_type"], event["source"]) == ("updated", "poll")
    assert event["changes"] == {"name": "Duncan Idaho", "metadata": {"a": "1", "b": None}}
    assert event["data"]["name"] == "Paul Atreides"
    assert event["stripe_event_id"].startswith("evt_")
    record = stand.record(customer)
    assert (record["payload"], record["seq"]) == (event["data"], event["seq"])
    stand.assert_streams_agree()


def test_polling_again_adds_nothing(stand: Stand, customer: str) -> None:
    stand.stripe.v1.customers.update(customer, {"name": "Paul Atreides"})
    stand.poll()
    before = stand.contents()
    stand.poll(3)
    assert stand.contents() == before


def test_each_of_several_changes_keeps_its_own_old_values(stand: Stand, customer: str) -> None:
    for name in ("Paul", "Usul", "Muad'Dib"):
        stand.stripe.v1.customers.update(customer, {"name": name})
    stand.poll()
    updates = [event for event in stand.events(customer) if event["event_type"] == "updated"]
    assert [event["changes"]["name"] for event in updates] == ["Duncan Idaho", "Paul", "Usul"]
    assert updates[-1]["data"]["name"] == "Muad'Dib"
    stand.assert_streams_agree()


def test_a_deletion_keeps_the_last_payload(stand: Stand, customer: str) -> None:
    stand.stripe.v1.customers.delete(customer)
    stand.poll()
    record = stand.record(customer)
    assert record["deleted"]
    assert record["payload"]["name"] == "Duncan Idaho"
    assert stand.events(customer)[-1]["event_type"] == "deleted"
    stand.assert_streams_agree()


def test_made_and_deleted_between_two_polls(stand: Stand, customer: str) -> None:
    made = stand.stripe.v1.customers.create({"name": "Gurney"})
    stand.stripe.v1.customers.delete(made.id)
    stand.poll()
    assert [event["event_type"] for event in stand.events(made.id)] == ["created", "deleted"]
    assert stand.record(made.id)["payload"]["name"] == "Gurney"
    stand.assert_streams_agree()


def test_an_id_that_comes_back_is_the_same_record_undeleted(stand: Stand, customer: str) -> None:
    coupons = stand.stripe.v1.coupons
    coupons.create({"id": "SPICE", "percent_off": 10, "duration": "once"})
    stand.poll()
    coupons.delete("SPICE")
    stand.poll()
    assert stand.record("SPICE")["deleted"]
    coupons.create({"id": "SPICE", "percent_off": 20, "duration": "once"})
    stand.poll()
    assert not stand.record("SPICE")["deleted"]
    coupons.delete("SPICE")
    coupons.create({"id": "SPICE", "percent_off": 30, "duration": "once"})
    stand.poll()
    record = stand.record("SPICE")
    assert (record["deleted"], record["payload"]["percent_off"]) == (False, 30)
    assert [event["event_type"] for event in stand.events("SPICE")] == [
        "created",
        "deleted",
        "created",
        "deleted",
        "created",
    ]
    stand.assert_streams_agree()


def test_a_cancelled_subscription_is_an_update(stand: Stand) -> None:
    stand.sandbox.control.demo()
    stand.backfill("subscription")
    active = stand.stripe.v1.subscriptions.list({"status": "active", "limit": 1}).data[0]
    stand.stripe.v1.subscriptions.cancel(active.id)
    stand.poll()
    record = stand.record(active.id)
    assert (record["deleted"], record["payload"]["status"]) == (False, "canceled")
    assert stand.events(active.id)[-1]["event_type"] == "updated"


def test_a_late_stripe_event_is_not_lost(stand: Stand, customer: str) -> None:
    stand.sandbox.control.fault("late_event", endpoint="customer.updated", seconds=60, next=1)
    stand.stripe.v1.customers.update(customer, {"name": "Paul"})
    stand.stripe.v1.customers.create({"name": "Somebody else"})
    stand.poll()
    assert from_polling(stand, customer)[1:] == []
    stand.sandbox.control.clock(advance=61)
    stand.poll()
    [late] = from_polling(stand, customer)[1:]
    assert (late["changes"], late["data"]["name"]) == ({"name": "Duncan Idaho"}, "Paul")
    stand.assert_streams_agree()


def test_a_late_stripe_event_never_takes_a_record_back(stand: Stand, customer: str) -> None:
    stand.sandbox.control.fault("late_event", endpoint="customer.updated", seconds=60, next=1)
    stand.stripe.v1.customers.update(customer, {"name": "Paul"})
    stand.stripe.v1.customers.update(customer, {"name": "Usul"})
    stand.poll()
    stand.sandbox.control.clock(advance=61)
    stand.poll()
    assert stand.record(customer)["payload"]["name"] == "Usul"
    changes = [event["changes"] for event in from_polling(stand, customer)[1:]]
    assert changes == [{"name": "Paul"}, {"name": "Duncan Idaho"}]
    stand.assert_streams_agree()


def test_what_changes_during_a_backfill_is_not_lost(stand: Stand) -> None:
    made = stand.stripe.v1.customers.create({"name": "Duncan"})
    names = stand.plan("customer")
    stand.stripe.v1.customers.update(made.id, {"name": "Paul"})
    assert names == ["customer"]
    stand.backfill("customer")
    stand.poll()
    assert stand.record(made.id)["payload"]["name"] == "Paul"
    told = [event["changes"] for event in from_polling(stand, made.id)]
    assert {"name": "Duncan"} in told
    stand.assert_streams_agree()


def test_the_stored_shape_is_the_pinned_version(stand: Stand) -> None:
    stand.sandbox.control.settings(api_version="2024-06-20")
    stand = quickened(stand)
    stand.sandbox.control.seed({"promotion_code": 3})
    stand.backfill("promotion_code")
    code = stand.stripe.v1.promotion_codes.list({"limit": 1}).data[0]
    stand.stripe.v1.promotion_codes.update(code.id, {"metadata": {"seen": "1"}})
    stand.poll()
    event = from_polling(stand, code.id)[-1]
    assert event["api_version"] == "2026-10-28.endive"
    assert "promotion" in event["data"]
    assert "coupon" not in event["data"]
    own = stand.record(event["stripe_event_id"])
    assert own["api_version"] == "2024-06-20"


def test_stripe_events_are_records_too(stand: Stand, customer: str) -> None:
    stand.stripe.v1.customers.update(customer, {"name": "Paul"})
    stand.poll()
    event = from_polling(stand, customer)[-1]
    record = stand.record(event["stripe_event_id"])
    assert record["collection_id"] == "stripe:event"
    assert record["payload"]["data"]["object"]["id"] == customer


def test_an_object_that_cannot_be_fetched_is_tried_again(stand: Stand, customer: str) -> None:
    other = stand.stripe.v1.customers.create({"name": "Jessica"})
    stand.poll()
    stand.stripe.v1.customers.update(customer, {"name": "Paul"})
    charge = "GET /v1/customers/{id}"
    stand.sandbox.control.fault("server_error", endpoint="GET /v1/customers/*", next=50)
    stand.stripe.v1.products.create({"name": "Spice"})
    stand.poll()
    assert stand.record(customer)["payload"]["name"] == "Duncan Idaho", charge
    assert stand.sql("SELECT count(*) FROM stripe_raw.records WHERE collection_id='stripe:product'")
    stand.sandbox.control.no_faults()
    stand.poll()
    assert stand.record(customer)["payload"]["name"] == "Paul"
    assert stand.record(other.id)["payload"]["name"] == "Jessica"
    stand.assert_streams_agree()


def test_changes_reach_the_lake(stand: Stand, customer: str) -> None:
    stand.stripe.v1.customers.update(customer, {"name": "Paul"})
    stand.poll()
    stored = {row[0] for row in stand.sql("SELECT id::text FROM stripe_raw.events")}
    assert set(stand.lake.events()["id"]) == stored
    assert len(stand.lake.events()) == len(stored)
    newest = stand.lake.records("customer").set_index("upstream_id")
    assert newest.loc[customer, "updated_idx"] == stand.record(customer)["updated_idx"]


def test_two_pollers_never_share_a_sync(stand: Stand, customer: str) -> None:
    class Impatient(SystemClock):
        """Time flies while somebody waits."""

        def __init__(self) -> None:
            self.passed = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.passed

        async def sleep(self, seconds: float) -> None:
            self.passed += 5.0

    async def poll() -> None:
        async with stand.polling(Impatient()):
            pass

    with Warehouse(stand.connections.warehouse_url) as warehouse:
        sync = warehouse.get_sync(SYNC)
        assert warehouse.acquire_poll_lease(sync.id, "somebody", seconds=60)
        with pytest.raises(SyncBusy, match=SYNC):
            asyncio.run(poll())
        warehouse.release_poll_lease(sync.id, "somebody")
        asyncio.run(poll())


def test_a_key_that_may_not_read_events_is_told_so(stand: Stand) -> None:
    stand.sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read"])
    few = stand.with_key("rk_test_few")
    few.backfill("customer")
    with pytest.raises(PermissionDenied, match="rak_event_read"):
        few.poll()
