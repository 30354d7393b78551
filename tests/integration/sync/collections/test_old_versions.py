"""Syncs pinned to older API versions, and lists that Stripe refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from databases import new_database
from shop import CATALOG, EVERY, Shop
from stripe_sandbox.server import running
from stripe_sync.catalog import Availability
from stripe_sync.clock import SystemClock, to_unix
from sync_harness import SyncHarness, make_harness, unthrottled

VERSIONS = ("2025-02-24.acacia", "2022-08-01")
"""The last one with GET /v1/invoices/upcoming, and one before charges lost their refunds."""

LEGACY = [
    collection
    for collection in CATALOG.values()
    if collection.availability is Availability.LEGACY and (collection.lists or collection.retrieve)
]
"""Those that have an endpoint of their own."""

WITH_FALLBACK = [collection for collection in CATALOG.values() if collection.fallback_lists]


@pytest.fixture(scope="module", params=VERSIONS)
def shop(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with running() as sandbox, new_database(postgres_url) as url:
        sandbox.control.demo()
        method = next(m for m in sandbox.control.objects("payment_method") if m["customer"])
        sandbox.control.put({**method, "id": "pm_custom", "type": "custom"})
        harness = make_harness(sandbox, url, tmp_path_factory.mktemp("old"))
        yield Shop.backfill(unthrottled(harness, api_version=request.param))


@pytest.mark.parametrize("name", EVERY)
def test_everything_is_stored_in_the_version_of_the_sync(shop: Shop, name: str) -> None:
    collection = CATALOG.resolve(name)
    expected = shop.expected(collection)
    if name == "payment_method":  # those of no customer are in no list
        expected = [obj["id"] for obj in shop.objects(name) if obj["customer"]]
    missing = "SELECT upstream_id FROM stripe_sync.missing_objects WHERE status = 'unlisted'"
    named = shop.harness.sql(f"{missing} AND collection_id = %s", collection.id)
    expected = {*expected, *(key for (key,) in named)}
    stored = shop.harness.sql(
        "SELECT upstream_id, api_version FROM stripe_raw.records"
        " WHERE collection_id = %s AND NOT deleted",
        collection.id,
    )
    assert sorted(key for key, _ in stored) == sorted(expected)
    pinned = shop.harness.connections.settings.api_version
    derived_collections = {"billing_portal.session", "event", "source_mandate_notification"}
    if name not in derived_collections:  # Stripe events keep the version that they were made in
        assert {version for _, version in stored} <= {collection.api_version or pinned}


def test_old_versions_have_previews_with_complete_lines(shop: Shop) -> None:
    asked = shop.asked
    assert {"GET /v1/invoices/upcoming", "GET /v1/invoices/upcoming/lines"} <= asked
    assert not any(endpoint.startswith("POST") for endpoint in asked)
    previews = shop.stored("upcoming_subscription_invoice")
    assert not any("id" in preview or "parent" in preview for preview in previews)
    assert {preview["lines"]["has_more"] for preview in previews} == {False}
    assert max(len(preview["lines"]["data"]) for preview in previews) > 10


def test_payment_methods_are_listed_customer_by_customer(shop: Shop) -> None:
    assert "GET /v1/customers/{customer}/payment_methods" in shop.asked
    assert "GET /v1/payment_methods" not in shop.asked
    assert "custom" in {method["type"] for method in shop.stored("payment_method")}
    assert shop.reports["payment_method"].status == "done"


def test_previews_follow_upcoming_invoice_events(shop: Shop) -> None:
    preview = shop.stored("upcoming_subscription_invoice")[0]
    subscription = preview["subscription"]
    item = shop.harness.sql(
        "SELECT upstream_id FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:subscription_item' AND parent_id = %s ORDER BY 1 LIMIT 1",
        subscription,
    )[0][0]
    shop.harness.poll()
    api = shop.harness.stripe
    api.raw_request("post", f"/v1/subscription_items/{item}", quantity=41)
    announce(shop.harness, preview)
    shop.harness.poll()
    assert 41 in {line["quantity"] for line in lines(shop.harness, subscription)}
    api.raw_request("delete", f"/v1/subscriptions/{subscription}")
    shop.harness.poll()
    assert lines(shop.harness, subscription) == []
    shop.harness.assert_streams_agree()


def lines(harness: SyncHarness, subscription: str) -> list[dict[str, Any]]:
    rows = harness.sql(
        "SELECT payload FROM stripe_raw.records WHERE parent_id = %s AND NOT deleted"
        " AND collection_id = 'stripe:upcoming_line_item'",
        subscription,
    )
    return [row[0] for row in rows]


def announce(harness: SyncHarness, preview: dict[str, Any]) -> None:
    """The Stripe event of an upcoming invoice, in the shape of the account's old version."""
    event = {
        "id": f"evt_{preview['subscription']}",
        "object": "event",
        "type": "invoice.upcoming",
        "created": to_unix(SystemClock().now()),
        "api_version": harness.connections.settings.api_version,
        "livemode": False,
        "pending_webhooks": 0,
        "request": None,
        "data": {"object": preview},
    }
    harness.sandbox.control.append_events([event])


@pytest.mark.parametrize("collection", WITH_FALLBACK, ids=lambda collection: collection.name)
def test_the_fallback_of_a_refused_list_reads_its_parents(
    harness: SyncHarness, collection: Any
) -> None:
    harness = unthrottled(harness)
    control = harness.sandbox.control
    control.demo()
    control.fault("gone", endpoint=f"GET {collection.lists[0].path}")
    [call] = collection.fallback_lists
    parent = CATALOG.parent(call.parent)
    *_, report = harness.backfill(parent.name, collection.name)
    existing = control.objects(collection.object)
    owned = [obj["id"] for obj in existing if obj[call.placeholders[0]]]
    stored = harness.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s", collection.id
    )
    assert (report.collection, report.status) == (collection.name, "done")
    assert sorted(key for (key,) in stored) == sorted(owned) != []
    assert f"GET {call.path}" in control.stats()["by_endpoint"]


@pytest.mark.parametrize("collection", LEGACY, ids=lambda collection: collection.name)
def test_a_collection_without_any_endpoint_is_retired(
    harness: SyncHarness, collection: Any
) -> None:
    harness.sandbox.control.demo()
    for path in [call.path for call in (*collection.lists, *collection.fallback_lists)] or [
        collection.retrieve
    ]:
        harness.sandbox.control.fault("gone", endpoint=f"GET {re.sub('{[a-z_]+}', '*', path)}")
    [report] = unthrottled(harness).backfill(collection.name)
    assert (report.status, report.objects) == ("retired", 0)
    assert "retired by Stripe" in str(report.message)
    assert harness.state(collection.name)["status"] == "retired"
