"""What Stripe refuses costs only itself: a list, a parent, a field, the list of test clocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_sandbox.server import Running, running
from stripe_sync.sync.reconcile.reconcile import ReconcileReport, reconcile_collection
from sync_harness import SYNC, SyncHarness, make_harness, unthrottled


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    """The demo's shop; tests add keys and faults."""
    with running() as sandbox:
        sandbox.control.demo()
        yield sandbox
        sandbox.control.no_faults()


@pytest.fixture
def shop(demo: Running, warehouse_url: str, tmp_path: Path) -> SyncHarness:
    """A sync of the shop that was never run, without faults."""
    demo.control.no_faults()
    return unthrottled(make_harness(demo, warehouse_url, tmp_path))


def stored(harness: SyncHarness, collection: str) -> set[str]:
    """Keys of the records of a collection that are not deleted."""
    query = "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"
    return {key for (key,) in harness.sql(query, f"stripe:{collection}")}


def reconcile(harness: SyncHarness, collection: str) -> ReconcileReport:
    return reconcile_collection(harness.connections, SYNC, collection)


def ids(harness: SyncHarness, kind: str) -> list[str]:
    return [obj["id"] for obj in harness.sandbox.control.objects(kind)]


def test_a_key_without_subscriptions_reads_what_hangs_on_customers(shop: SyncHarness) -> None:
    names = ("customer", "event", "billing_clock", "invoice")
    permissions = [f"rak_{name}_read" for name in names]
    shop.sandbox.control.add_key("rk_test_part", permissions=permissions)
    shop.sandbox.control.settings(newer_permission_errors=True)
    reports = shop.with_key("rk_test_part").backfill("customer", "discount", "source")
    shop.sandbox.control.settings(newer_permission_errors=False)
    customers = shop.sandbox.control.objects("customer")
    on_customers = {obj["discount"]["id"] for obj in customers if obj.get("discount")}
    assert on_customers <= stored(shop, "discount")
    assert on_customers
    assert stored(shop, "source") == set(ids(shop, "source"))
    for report in reports[1:]:
        assert report.status == "done"
        assert str(report.message).startswith("in part: without /v1/")
        assert "lacks rak_subscription_read" in str(report.message)


@pytest.mark.parametrize(("kind", "status"), [("gone", 500), ("refuse", 400), ("refuse", 403)])
def test_without_test_clocks_everything_else_is_read(
    shop: SyncHarness, kind: str, status: int
) -> None:
    endpoint = "GET /v1/test_helpers/test_clocks"
    shop.sandbox.control.fault(kind, status=status, endpoint=endpoint)
    reports = shop.backfill("customer", "subscription", "subscription_item")
    clocked = {o["id"] for o in shop.sandbox.control.objects("customer") if o.get("test_clock")}
    assert stored(shop, "customer") == set(ids(shop, "customer")) - clocked
    assert stored(shop, "subscription_item")
    for report in reports[:2]:
        assert report.status == "done"
        assert str(report.message).startswith("in part: without objects of test clocks: GET")


def test_without_test_clocks_their_stored_objects_are_not_deleted(shop: SyncHarness) -> None:
    shop.backfill("customer")
    shop.sandbox.control.fault("gone", endpoint="GET /v1/test_helpers/test_clocks")
    report = reconcile(shop, "customer")
    assert (report.status, report.deleted) == ("done", 0)
    assert stored(shop, "customer") == set(ids(shop, "customer"))


@pytest.mark.parametrize("status", [400, 403])
def test_without_an_expanded_field_objects_and_changes_arrive(
    shop: SyncHarness, status: int
) -> None:
    details = {"status": status, "message": "Bad expand 'tax'"}
    shop.sandbox.control.fault("refuse", expand="*tax", **details)
    [report] = shop.backfill("customer")
    assert (report.status, report.objects) == ("done", len(ids(shop, "customer")))
    assert str(report.message).startswith("in part: without the field tax of /v1/customers: ")
    name = ids(shop, "customer")[0]
    before = shop.record(name)["payload"]["description"]
    shop.stripe.v1.customers.update(name, {"description": f"refused {status}"})
    shop.poll()
    last = shop.events(name)[-1]
    assert (last["source"], last["event_type"]) == ("poll", "updated")
    assert last["changes"] == {"description": before}
    assert reconcile(shop, "customer").drift == 0


def test_an_endpoint_that_does_not_exist_is_a_status(shop: SyncHarness) -> None:
    shop.sandbox.control.fault("gone", endpoint="GET /v1/coupons")
    shop.sandbox.control.fault("refuse", endpoint="GET /v1/issuing/cards", status=400)
    for report in shop.backfill("coupon", "issuing.card"):
        assert (report.status, report.objects) == ("unavailable", 0)
        assert str(report.message).startswith("not available: GET /v1/")


def test_objects_of_a_refused_list_are_not_deleted(shop: SyncHarness) -> None:
    shop.backfill("price")
    before = stored(shop, "price")
    shop.sandbox.control.fault("refuse", url="/v1/prices?*active=false*", status=403)
    shop.sandbox.control.fault("gone", endpoint="GET /v1/prices/{price}")
    report = reconcile(shop, "price")
    assert (report.status, report.deleted) == ("done", 0)
    assert str(report.message).startswith("in part: without /v1/prices?active=false: ")
    assert stored(shop, "price") == before
    [(complete,)] = shop.sql("SELECT complete FROM stripe_sync.reconcile_state")
    assert complete is False


@pytest.mark.parametrize("status", [400, 403])
def test_a_missing_object_that_stripe_refuses_to_return_is_not_deleted(
    shop: SyncHarness, status: int
) -> None:
    name = shop.stripe.v1.products.create({"name": "unlisted"}).id
    shop.backfill("product")
    shop.sandbox.control.remove("product", name)
    shop.sandbox.control.fault("refuse", url=f"/v1/products/{name}", status=status)
    report = reconcile(shop, "product")
    assert (report.status, report.deleted) == ("done", 0)
    assert name in str(report.message)
    assert name in shop.state("product")["message"]
    shop.sandbox.control.no_faults()
    assert reconcile(shop, "product").deleted == 1
    assert shop.state("product")["message"] is None


def test_one_refused_object_does_not_forbid_its_collection(shop: SyncHarness) -> None:
    shop.backfill("coupon", "customer")
    shop.poll()
    first, second, *_ = ids(shop, "customer")
    url = f"/v1/customers/{first}*"
    shop.sandbox.control.fault("refuse", endpoint="GET *", url=url, status=403)
    for name in (first, second):
        shop.stripe.v1.customers.update(name, {"description": "changed"})
    shop.poll()
    assert shop.record(second)["payload"]["description"] == "changed"
    state = shop.state("customer")
    assert state["status"] == "done"
    assert state["message"].startswith(f"in part: without /v1/customers/{{id}} of {first}: ")
