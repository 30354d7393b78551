"""Bursts: more changes than can be fetched at once delay nothing and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshots import Snapshot
from stripe_sync.clock import SystemClock
from sync_harness import SyncHarness, unthrottled

MANY = 60
OTHER_VERSION = "2024-06-20"


@pytest.fixture(scope="module")
def filled(original: SyncHarness, postgres_url: str) -> Snapshot:
    """A sync of an account with many customers, more than Stripe's limits let it fetch at once."""
    harness = unthrottled(original, endpoint_requests_per_second=25)
    harness.sandbox.control.seed({"customer": MANY})
    harness.backfill("customer")
    harness.poll()
    return Snapshot.of(harness, postgres_url)


@pytest.fixture
def shop(filled: Snapshot, tmp_path: Path) -> Iterator[SyncHarness]:
    """A copy of that sync."""
    with filled.copy(tmp_path) as copy:
        yield copy


def customers(harness: SyncHarness) -> list[str]:
    return [customer["id"] for customer in harness.sandbox.control.objects("customer")]


def rename_all(harness: SyncHarness, name: str, seconds: int = 0) -> None:
    """Rename all customers so many seconds from now."""
    harness.sandbox.control.clock(advance=seconds)
    for customer in customers(harness):
        harness.stripe.v1.customers.update(customer, {"name": name})
    harness.sandbox.control.clock(advance=-seconds)


def change_events(harness: SyncHarness) -> dict[str, int]:
    """Number of change events of each customer after its backfill."""
    rows = harness.sql(
        "SELECT upstream_id, count(*) FROM stripe_raw.events"
        " WHERE collection_id = 'stripe:customer' AND source <> 'backfill' GROUP BY 1"
    )
    return dict(rows)


def names(harness: SyncHarness) -> set[str]:
    rows = harness.sql(
        "SELECT payload->>'name' FROM stripe_raw.records WHERE collection_id = 'stripe:customer'"
    )
    return {row[0] for row in rows}


def reported(harness: SyncHarness) -> list[dict[str, Any]]:
    """Change events of customers that come from Stripe events."""
    rows = harness.sql(
        "SELECT to_jsonb(e) FROM stripe_raw.events e"
        " WHERE collection_id = 'stripe:customer' AND stripe_event_id IS NOT NULL ORDER BY seq"
    )
    return [row[0] for row in rows]


def pending(harness: SyncHarness) -> int:
    return int(harness.sql("SELECT count(*) FROM stripe_sync.pending_fetches")[0][0])


def poll_until_all_is_fetched(harness: SyncHarness) -> None:
    for _ in range(MANY):
        if not pending(harness):
            return
        harness.poll(3)
    pytest.fail("fetches are still pending")


def rename_products(shop: SyncHarness) -> None:
    """Rename many products two seconds after they were stored."""
    control, products = shop.sandbox.control, shop.stripe.v1.products
    control.seed({"product": MANY})
    shop.backfill("product")
    control.clock(advance=2)
    for product in control.objects("product"):
        products.update(product["id"], {"name": "Spice"})
    control.clock(advance=-2)


def test_payloads_that_continue_the_stored_state_stand_for_fetches(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    rename_products(shop)
    control.reset_stats()
    shop.poll()
    rows = shop.sql(
        "SELECT DISTINCT payload->>'name' FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:product'"
    )
    assert rows == [("Spice",)]
    assert control.stats()["by_endpoint"] == {"GET /v1/events": 1}
    assert pending(shop) == 0
    shop.assert_streams_agree()


def test_a_payload_is_newer_than_any_request_sent_before_its_answer(shop: SyncHarness) -> None:
    """Else a request that was under way would bring back the older state."""
    latency = timedelta(seconds=0.2)
    rename_products(shop)
    shop.sandbox.control.settings(latency=latency.total_seconds())
    before = SystemClock().now()
    shop.poll()
    rows = shop.sql(
        "SELECT count(*), min(observed_at) >= %s FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:product'",
        before + latency,
    )
    assert rows == [(MANY, True)]


def test_fields_that_only_a_fetch_returns_follow_the_payload(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    for customer in customers(shop):
        control.mutate("customer", customer, {"invoice_credit_balance": {"usd": 5}})
    rename_all(shop, "Paul", seconds=2)
    # Nothing can be fetched: the payloads are stored all the same.
    control.fault("server_error", endpoint="GET /v1/customers/*")
    shop.poll()
    assert names(shop) == {"Paul"}
    assert len(reported(shop)) == MANY
    assert pending(shop) == MANY
    control.no_faults()
    poll_until_all_is_fetched(shop)
    rows = shop.sql(
        "SELECT DISTINCT payload->'invoice_credit_balance' FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:customer'"
    )
    assert rows == [({"usd": 5},)]
    shop.assert_streams_agree()


def test_in_another_version_the_changed_values_are_stored_at_once_and_once(
    shop: SyncHarness,
) -> None:
    """One change event for each change, though each object is fetched later to verify it."""
    control = shop.sandbox.control
    control.settings(api_version=OTHER_VERSION)
    rename_all(shop, "Paul", seconds=2)
    # Nothing can be fetched: the changed values are stored all the same.
    control.fault("server_error", endpoint="GET /v1/customers/*")
    shop.poll()
    assert names(shop) == {"Paul"}
    assert pending(shop) == MANY
    control.no_faults()
    poll_until_all_is_fetched(shop)
    assert set(change_events(shop).values()) == {1}
    assert {event["data"]["name"] for event in reported(shop)} == {"Paul"}
    assert {event["changes"].keys() >= {"name"} for event in reported(shop)} == {True}
    versions = shop.sql(
        "SELECT DISTINCT api_version FROM stripe_raw.events WHERE collection_id = 'stripe:customer'"
    )
    assert versions == [(shop.connections.settings.api_version,)]
    shop.assert_streams_agree()


def test_a_change_without_a_stripe_event_is_not_overlooked(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    for customer in customers(shop):
        control.mutate("customer", customer, {"description": "silent"})
    rename_all(shop, "Paul", seconds=2)
    shop.poll()
    poll_until_all_is_fetched(shop)
    rows = shop.sql(
        "SELECT DISTINCT payload->>'name', payload->>'description' FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:customer'"
    )
    assert rows == [("Paul", "silent")]
    shop.assert_streams_agree()


def test_a_pending_fetch_leaves_a_later_change_to_its_late_stripe_event(shop: SyncHarness) -> None:
    """Stored by both, the change would have two change events."""
    control = shop.sandbox.control
    control.settings(api_version=OTHER_VERSION)
    rename_all(shop, "Paul", seconds=2)
    control.fault("server_error", endpoint="GET /v1/customers/*")
    shop.poll()
    assert pending(shop) == MANY
    control.no_faults()
    control.fault("late_event", probability=1.0, seconds=30)
    rename_all(shop, "Usul", seconds=4)
    control.no_faults()
    control.reset_stats()
    while control.stats()["by_endpoint"].get("GET /v1/customers/{customer}", 0) < MANY:
        shop.poll(3)
    assert (names(shop), pending(shop)) == ({"Paul"}, MANY)
    control.clock(advance=40)
    while names(shop) != {"Usul"}:
        shop.poll(3)
    poll_until_all_is_fetched(shop)
    assert set(change_events(shop).values()) == {2}
    shop.assert_streams_agree()


def test_new_objects_are_stored_in_the_pinned_version(shop: SyncHarness) -> None:
    shop.sandbox.control.settings(api_version=OTHER_VERSION)
    made = [shop.stripe.v1.customers.create({"name": f"new {n}"}).id for n in range(MANY)]
    shop.poll()
    for customer in made:
        record = shop.record(customer)
        assert record["api_version"] == shop.connections.settings.api_version
    shop.assert_streams_agree()


def test_deletions_in_a_burst_are_deletions(shop: SyncHarness) -> None:
    for customer in customers(shop):
        shop.stripe.v1.customers.delete(customer)
    shop.poll()
    left = shop.sql(
        "SELECT count(*) FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:customer' AND NOT deleted"
    )
    assert left == [(0,)]
    shop.assert_streams_agree()


def test_two_changes_within_a_second_end_with_the_later_one(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    control.clock(freeze=control.clock() + 2)
    rename_all(shop, "Paul")
    rename_all(shop, "Usul")
    shop.poll()
    poll_until_all_is_fetched(shop)
    assert names(shop) == {"Usul"}
    assert len(reported(shop)) == 2 * MANY
    shop.assert_streams_agree()


def test_pending_fetches_survive_the_poller(shop: SyncHarness) -> None:
    control = shop.sandbox.control
    control.settings(api_version=OTHER_VERSION)
    rename_all(shop, "Paul", seconds=2)
    # The changes are stored, and every fetch fails.
    control.fault("server_error", endpoint="GET /v1/customers/*")
    shop.poll()
    assert pending(shop) > 0
    control.no_faults()
    poll_until_all_is_fetched(shop)
    assert names(shop) == {"Paul"}
    shop.assert_streams_agree()


def test_changes_are_stored_though_no_pending_fetch_succeeds(
    shop: SyncHarness,
) -> None:
    control = shop.sandbox.control
    control.settings(api_version=OTHER_VERSION)
    control.fault("server_error", endpoint="GET /v1/customers/*")
    rename_all(shop, "Paul", seconds=2)
    shop.poll()
    assert pending(shop) == MANY
    rename_all(shop, "Usul", seconds=4)
    shop.poll()
    assert len(reported(shop)) == 2 * MANY
    control.no_faults()
    poll_until_all_is_fetched(shop)
    assert names(shop) == {"Usul"}
    shop.assert_streams_agree()


@pytest.mark.parametrize("made_by_a_request", [True, False])
def test_two_stripe_events_of_one_change(shop: SyncHarness, made_by_a_request: bool) -> None:
    """They are one change where one request made both; else nothing proves that."""
    control, customer = shop.sandbox.control, customers(shop)[0]
    shop.stripe.v1.customers.update(customer, {"name": "Paul"})
    [event] = [e for e in control.objects("event") if e["type"] == "customer.updated"]
    if not made_by_a_request:
        event["request"] = {"id": None, "idempotency_key": None}
    twins = [{**event, "id": f"{event['id']}{number}"} for number in range(2)]
    control.append_events(twins)
    shop.poll()
    shop.poll()
    assert len(reported(shop)) == (1 if made_by_a_request else 3)
    shop.assert_streams_agree()
