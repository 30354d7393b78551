"""Backfills against the sandbox: complete, exact, repeatable, honest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from databases import new_database
from stripe_sandbox.server import running
from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    StripeUnavailable,
    SyncBusy,
)
from stripe_sync.records import canonical_json
from stripe_sync.sync.backfill.backfill import backfill_collection
from stripe_sync.sync.connections import SyncSettings
from stripe_sync.warehouse import Warehouse
from sync_harness import SyncHarness, make_harness, unthrottled

CATALOG = load_catalog()
LISTED = [collection.name for collection in CATALOG.top_level()]

NASTY = {
    "id": "cus_nasty",
    "object": "customer",
    "created": 1_700_000_000,
    "balance": 9_223_372_036_854_775_807,
    "description": "NUL \u0000 here, a backslash \\u0000 there",
    "email": "Idaho@sequin.io",
    "metadata": {"a.key.with.dots": "1", "": "empty key", "näme": "Ünïcödé 🦄 \u2028"},
    "name": "Дункан Айдахо",
    "livemode": False,
    "percent": 12.5,
}


@pytest.fixture(scope="module")
def shop(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncHarness]:
    """The demo's shop, all of it backfilled; tests only look at it."""
    with running() as sandbox, new_database(postgres_url) as url:
        sandbox.control.demo()
        harness = unthrottled(make_harness(sandbox, url, tmp_path_factory.mktemp("shop")))
        for number in range(120):
            harness.stripe.v1.customers.create({"name": f"Customer {number}"})
        harness.backfill(*LISTED)
        yield harness


@pytest.mark.parametrize("name", LISTED)
def test_every_object_of_a_listed_collection_is_stored_once(shop: SyncHarness, name: str) -> None:
    collection = CATALOG.resolve(name)
    expected = {
        obj["id"]
        for obj in shop.sandbox.control.objects(collection.object)
        if not (name == "review" and not obj["open"])  # the list never shows closed ones
    }
    if name == "event":
        expected = {event["id"] for event in shop.stripe.v1.events.list().auto_paging_iter()}
    stored = shop.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE collection_id = %s", collection.id
    )
    assert shop.state(name)["status"] == "done"
    assert shop.state(name)["objects"] == len(expected) > 0
    # Others name closed reviews, which the list never shows.
    missing = "SELECT upstream_id FROM stripe_sync.missing_objects WHERE status = 'unlisted'"
    named = shop.sql(f"{missing} AND collection_id = %s", collection.id)
    assert name == "review" or not named
    expected |= {found[0] for found in named}
    assert sorted(found[0] for found in stored) == sorted(expected)
    assert len(shop.lake.records(name)) == len(expected)


@pytest.mark.parametrize("name", [n for n in LISTED if CATALOG.resolve(n).lists[0].created_filter])
def test_the_stream_is_oldest_first(shop: SyncHarness, name: str) -> None:
    collection = CATALOG.resolve(name)
    created = [
        found[0]
        for found in shop.sql(
            "SELECT (data ->> %s)::bigint FROM stripe_raw.events"
            # Those that only others name come after the backfill.
            " WHERE collection_id = %s AND source = 'backfill'"
            # What belongs to a test clock is listed apart, after all others.
            " AND data ->> 'test_clock' IS NULL ORDER BY seq",
            collection.created_field,
            collection.id,
        )
    ]
    falls = sum(later < earlier for earlier, later in pairwise(created))
    assert falls <= max(len(collection.lists[0].variants), 1) - 1


def test_every_record_is_its_newest_event(shop: SyncHarness) -> None:
    shop.assert_streams_agree()


def test_nasty_values_come_out_as_they_went_in(harness: SyncHarness) -> None:
    harness.sandbox.control.put(NASTY)
    harness.backfill("customer")
    [exact] = harness.lake.records("customer")["payload"]
    assert exact.encode() == canonical_json.canonical(NASTY)
    [[kept]] = harness.sql("SELECT payload_exact FROM stripe_raw.records")
    assert kept.encode() == canonical_json.canonical(NASTY)
    payload = harness.record("cus_nasty")["payload"]
    assert payload == {**NASTY, "description": "NUL \ufffd here, a backslash \\u0000 there"}
    assert harness.record("cus_nasty")["payload_hash"] == canonical_json.payload_hash(
        canonical_json.canonical(NASTY)
    )


def served(shop: SyncHarness, collection: Collection) -> dict[str, Any]:
    """The first page of each list of a collection, as Stripe sends it: objects by id."""
    found = {}
    for call in collection.lists:
        for variant in call.variants or ({},):
            params: dict[str, Any] = {**call.params, **variant, "limit": 100}
            if collection.expand:
                params["expand"] = [f"data.{path}" for path in collection.expand]
            if collection.api_version:
                params["stripe_version"] = collection.api_version
            answer = shop.stripe.raw_request("get", call.path, **params)
            page = canonical_json.loads(answer.body)
            found |= {obj["id"]: obj for obj in page["data"]}
    return found


def is_complete(obj: dict[str, Any]) -> bool:
    """Whether an object embeds no list that Stripe cuts."""
    return not any(isinstance(value, dict) and value.get("has_more") for value in obj.values())


@pytest.mark.parametrize("name", LISTED)
def test_payloads_are_stored_as_stripe_sent_them(shop: SyncHarness, name: str) -> None:
    collection = CATALOG.resolve(name)
    stored = dict(
        shop.sql(
            "SELECT upstream_id, coalesce(payload_exact, payload::text) FROM stripe_raw.records"
            " WHERE collection_id = %s",
            collection.id,
        )
    )
    sent = {key: obj for key, obj in served(shop, collection).items() if is_complete(obj)}
    assert sent
    for key, obj in sent.items():
        payload = canonical_json.loads(stored[key])
        assert canonical_json.canonical(payload) == canonical_json.canonical(obj)


def test_a_second_backfill_changes_nothing(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    names = ("customer", "invoice", "price", "payment_method", "charge")
    harness.backfill(*names)
    before = harness.contents()
    reports = harness.backfill(*names)
    assert harness.contents() == before
    assert {(r.created, r.updated) for r in reports} == {(0, 0)}
    assert all(r.unchanged == r.objects > 0 for r in reports)


def test_nested_lists_are_completed(harness: SyncHarness) -> None:
    lines = [{"id": f"il_{n:03}", "object": "line_item", "invoice": "in_long"} for n in range(225)]
    url = "/v1/invoices/in_long/lines"
    embedded = {"object": "list", "data": lines, "has_more": False, "url": url}
    invoice = {"id": "in_long", "object": "invoice", "created": 1_700_000_000, "lines": embedded}
    harness.sandbox.control.put(invoice)
    sent = harness.stripe.v1.invoices.retrieve("in_long")
    assert (len(sent.lines.data), sent.lines.has_more) == (10, True)
    [report] = harness.backfill("invoice")
    assert harness.record("in_long")["payload"] == invoice
    assert report.requests == 5  # one looks for test clocks


def test_since_leaves_out_what_is_older(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    created = sorted(obj["created"] for obj in harness.sandbox.control.objects("charge"))
    bound = created[200]
    [report] = harness.backfill("charge", since=datetime.fromtimestamp(bound, UTC))
    assert report.objects == sum(at >= bound for at in created)


def test_names_are_accepted_in_three_spellings_and_corrected(harness: SyncHarness) -> None:
    assert harness.plan("stripe:customer", "stripe.charge", "coupon") == [
        "charge",
        "coupon",
        "customer",
    ]
    with pytest.raises(ConfigurationError, match="customer"):
        harness.plan("custommer")


def test_parents_are_planned_before_what_is_read_through_them(harness: SyncHarness) -> None:
    names = harness.plan()
    assert set(LISTED) < set(names)
    assert set(names) == {collection.name for collection in CATALOG.values()} - {
        "upcoming_line_item"
    }
    assert max(map(names.index, LISTED)) < names.index("bank_account")
    states = harness.sql("SELECT collection_id, status FROM stripe_sync.collection_state")
    assert sorted(states) == sorted((collection, "pending") for collection in CATALOG)


def test_a_collection_without_a_reader_is_replaced_by_its_hosts(harness: SyncHarness) -> None:
    assert harness.plan("upcoming_line_item") == [
        "upcoming_subscription_invoice",
        "upcoming_customer_invoice",
    ]


def test_a_missing_permission_is_reported_and_stops_nothing_else(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    harness.sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read"])
    customers, charges = sorted(
        harness.with_key("rk_test_few").backfill("customer", "charge"), key=lambda r: r.status
    )
    assert (customers.collection, customers.status) == ("customer", "done")
    assert (charges.collection, charges.status) == ("charge", "forbidden")
    assert harness.state("charge")["permission"] == "rak_charge_read"
    assert "rk_test_few" not in str(harness.state("charge"))


def test_a_wrong_key_is_an_authentication_error(harness: SyncHarness) -> None:
    with pytest.raises(AuthenticationError):
        harness.with_key("sk_test_wrong").plan("customer")


def test_a_sync_never_mixes_accounts(harness: SyncHarness) -> None:
    harness.plan("customer")
    harness.sandbox.control.add_account("acct_other")
    harness.sandbox.control.add_key("sk_test_other", account="acct_other")
    with pytest.raises(ConfigurationError, match="acct_other"):
        harness.with_key("sk_test_other").plan("customer")
    with pytest.raises(ConfigurationError, match="live"):
        harness.with_key("sk_live_sandbox").plan("customer")


def test_a_failure_is_stored_and_the_next_run_resumes(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"charge": 6_000}, spread="even")
    harness.plan("charge")
    harness.sandbox.control.fault("server_error", endpoint="GET /v1/charges", probability=1.0)
    with pytest.raises(StripeUnavailable):
        backfill_collection(harness.connections, "default", "charge")
    assert harness.state("charge")["status"] == "failed"
    assert harness.state("charge")["message"]
    harness.sandbox.control.no_faults()
    report = backfill_collection(harness.connections, "default", "charge")
    assert (report.status, report.objects) == ("done", 6_000)
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(6_000,)]


def test_a_second_backfill_at_the_same_time_is_refused(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    harness.plan("customer")
    with Warehouse(harness.connections.warehouse_url) as warehouse:
        sync = warehouse.syncs.get("default")
        with (
            warehouse.locks.backfill(sync.id, "stripe:customer"),
            pytest.raises(SyncBusy, match="customer"),
        ):
            backfill_collection(harness.connections, "default", "customer")
    assert backfill_collection(harness.connections, "default", "customer").status == "done"


def test_faults_on_the_way_lose_nothing(harness: SyncHarness) -> None:
    harness.sandbox.control.seed({"charge": 3_000}, spread="even")
    for kind in ("reset", "server_error", "truncate", "rate_limit"):
        harness.sandbox.control.fault(kind, endpoint="GET /v1/charges", probability=0.05)
    [report] = harness.backfill("charge")
    assert report.objects == 3_000
    harness.assert_streams_agree()


def test_redaction_is_on_unless_switched_off(harness: SyncHarness) -> None:
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "created": 1_700_000_000,
        "client_secret": "pi_1_secret_abc",
        "last_payment_error": {"payment_intent": {"client_secret": "pi_1_secret_abc"}},
        "metadata": {"client_secret": "the user's own word"},
    }
    harness.sandbox.control.put(intent)
    kept = replace(harness, connections=replace(harness.connections, settings=SyncSettings()))
    kept.backfill("payment_intent")
    payload = kept.record("pi_1")["payload"]
    assert payload["client_secret"] == "[redacted]"
    assert payload["last_payment_error"]["payment_intent"]["client_secret"] == "[redacted]"
    assert payload["metadata"] == intent["metadata"]
    assert "pi_1_secret_abc" not in kept.lake.records("payment_intent")["payload"][0]
