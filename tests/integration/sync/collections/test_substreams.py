"""Polling finds what has no Stripe events of its own, and what other objects lead to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shop import BackfilledShop
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.sync.reconcile.reconcile import reconcile_collection
from sync_harness import SYNC, SyncHarness


@pytest.fixture(scope="module")
def shop(
    backfilled: BackfilledShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SyncHarness]:
    """The demo's shop, all of it backfilled; each test changes objects of its own."""
    with backfilled.copy(tmp_path_factory.mktemp("substreams")) as copy:
        copy.harness.poll()
        yield copy.harness
        copy.harness.poll()
        copy.harness.assert_streams_agree()


def ask(harness: SyncHarness, method: str, path: str, **params: Any) -> Any:
    return harness.stripe.deserialize(
        harness.stripe.raw_request(method, path, **params), api_mode="V1"
    ).to_dict()


def children(harness: SyncHarness, collection: str, parent_id: str) -> dict[str, dict[str, Any]]:
    """Records below an object that are not deleted, by key."""
    rows = harness.sql(
        "SELECT upstream_id, payload FROM stripe_raw.records"
        " WHERE collection_id = %s AND parent_id = %s AND NOT deleted",
        f"stripe:{collection}",
        parent_id,
    )
    return {row[0]: row[1] for row in rows}


def last(harness: SyncHarness, upstream_id: str) -> tuple[str, str, str | None]:
    event = harness.events(upstream_id)[-1]
    return event["event_type"], event["source"], event["stripe_event_id"] and "reported"


def announce(harness: SyncHarness, kind: str, obj: dict[str, Any], **data: Any) -> None:
    """A Stripe event about an object."""
    now = to_unix(SystemClock().now())
    event = {
        "id": f"evt_{kind}_{obj.get('id', now)}",
        "object": "event",
        "type": kind,
        "created": now,
        "api_version": "2026-10-28.endive",
        "livemode": False,
        "pending_webhooks": 0,
        "request": None,
        "data": {"object": obj, **data},
    }
    harness.sandbox.control.append_events([event])


def first(harness: SyncHarness, kind: str, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(
        obj
        for obj in harness.sandbox.control.objects(kind)
        if all(obj.get(name) == value for name, value in fields.items())
    )
    return found


def test_items_follow_their_subscription(shop: SyncHarness) -> None:
    subscription = first(shop, "subscription", status="active")
    before = children(shop, "subscription_item", subscription["id"])
    price = first(shop, "price", type="recurring")
    made = ask(
        shop,
        "post",
        "/v1/subscription_items",
        subscription=subscription["id"],
        price=price["id"],
        quantity=3,
    )
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", None)
    ask(shop, "post", f"/v1/subscription_items/{made['id']}", quantity=5)
    shop.poll()
    event = shop.events(made["id"])[-1]
    assert (event["event_type"], event["changes"]) == ("updated", {"quantity": 3})
    ask(shop, "delete", f"/v1/subscription_items/{made['id']}")
    shop.poll()
    assert last(shop, made["id"]) == ("deleted", "poll", None)
    assert children(shop, "subscription_item", subscription["id"]) == before


def test_lines_of_a_draft_are_replaced_as_a_whole(shop: SyncHarness) -> None:
    draft = first(shop, "invoice", status="draft")
    old = children(shop, "line_item", draft["id"])
    line = {**draft["lines"]["data"][0], "id": "il_anew", "amount": 1}
    shop.sandbox.control.put({**draft, "lines": {**draft["lines"], "data": [line]}}, emit=True)
    shop.poll()
    assert set(children(shop, "line_item", draft["id"])) == {f"{draft['id']}:il_anew"}
    assert all(last(shop, key) == ("deleted", "poll", None) for key in old)


def test_lines_of_a_draft_that_is_deleted_stay(shop: SyncHarness) -> None:
    draft = first(shop, "invoice", status="draft")
    data = [{**line, "id": f"{line['id']}_2"} for line in draft["lines"]["data"]]
    doomed = {**draft, "id": "in_doomed", "parent": None, "lines": {**draft["lines"], "data": data}}
    shop.sandbox.control.put(doomed, emit=True)
    shop.poll()
    lines = children(shop, "line_item", "in_doomed")
    assert len(lines) == len(data) > 0
    ask(shop, "delete", "/v1/invoices/in_doomed")
    shop.poll()
    assert last(shop, "in_doomed") == ("deleted", "poll", "reported")
    assert children(shop, "line_item", "in_doomed") == lines
    for collection in ("invoice", "line_item"):
        reconcile_collection(shop.connections, SYNC, collection)
    assert children(shop, "line_item", "in_doomed") == lines


def test_reversals_follow_their_transfer(shop: SyncHarness) -> None:
    transfer = first(shop, "transfer", reversed=False)
    made = ask(shop, "post", f"/v1/transfers/{transfer['id']}/reversals", amount=1)
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", None)
    assert made["id"] in children(shop, "transfer_reversal", transfer["id"])


def test_fee_refunds_follow_a_parent_that_is_not_synced(shop: SyncHarness) -> None:
    fee = first(shop, "application_fee", refunded=False)
    made = ask(shop, "post", f"/v1/application_fees/{fee['id']}/refunds", amount=1)
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", None)
    assert shop.sql("SELECT 1 FROM stripe_raw.records WHERE upstream_id = %s", fee["id"]) == []


def test_a_changed_balance_leads_to_its_transactions(shop: SyncHarness) -> None:
    customer = first(shop, "customer", test_clock=None)
    path = f"/v1/customers/{customer['id']}/balance_transactions"
    made = ask(shop, "post", path, amount=-500, currency="usd")
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", None)


def test_setup_attempts_follow_their_intent(shop: SyncHarness) -> None:
    attempt = first(shop, "setup_attempt")
    intent = attempt["setup_intent"]
    shop.sandbox.control.put({**attempt, "id": "setatt_new"})
    changed = {"latest_attempt": "setatt_new", "status": "requires_confirmation"}
    shop.sandbox.control.mutate("setup_intent", intent, changed)
    ask(shop, "post", f"/v1/setup_intents/{intent}/confirm")
    shop.poll()
    assert last(shop, "setatt_new") == ("created", "poll", None)


def test_items_of_a_session_follow_it(shop: SyncHarness) -> None:
    session = first(shop, "checkout.session", status="open")
    lines = session["line_items"]
    fresh = {**lines["data"][0], "id": "li_fresh"}
    changed = {"line_items": {**lines, "data": [fresh]}}
    shop.sandbox.control.mutate("checkout.session", session["id"], changed)
    ask(shop, "post", f"/v1/checkout/sessions/{session['id']}/expire")
    shop.poll()
    assert set(children(shop, "item", session["id"])) == {"li_fresh"}


def test_tax_ids_come_and_go_by_their_own_events(shop: SyncHarness) -> None:
    customer = first(shop, "customer", test_clock=None)
    path = f"/v1/customers/{customer['id']}/tax_ids"
    made = ask(shop, "post", path, type="eu_vat", value="DE123456789")
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", "reported")
    assert made["id"] in children(shop, "tax_id", customer["id"])
    ask(shop, "delete", f"{path}/{made['id']}")
    shop.poll()
    assert last(shop, made["id"]) == ("deleted", "poll", "reported")


def test_a_source_that_is_detached_stays(shop: SyncHarness) -> None:
    source = first(shop, "source")
    ask(shop, "delete", f"/v1/customers/{source['customer']}/sources/{source['id']}")
    shop.poll()
    record = shop.record(source["id"])
    assert (record["deleted"], last(shop, source["id"])) == (False, ("updated", "poll", "reported"))


def test_bank_accounts_go_by_their_own_events(shop: SyncHarness) -> None:
    account = first(shop, "bank_account", account=None)
    ask(shop, "delete", f"/v1/customers/{account['customer']}/sources/{account['id']}")
    shop.poll()
    record = shop.record(account["id"])
    assert record["deleted"]
    assert record["payload"]["last4"] == account["last4"]


def test_capabilities_of_two_accounts_are_two_records(shop: SyncHarness) -> None:
    capability = first(shop, "capability")
    key = f"{capability['account']}:{capability['id']}"
    path = f"/v1/accounts/{capability['account']}/capabilities/{capability['id']}"
    ask(shop, "post", path, requested=not capability["requested"])
    shop.poll()
    assert last(shop, key) == ("updated", "poll", "reported")


def test_persons_change_by_their_own_events(shop: SyncHarness) -> None:
    [[name, owner]] = shop.sql(
        "SELECT upstream_id, parent_id FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:person' ORDER BY 1 LIMIT 1"
    )
    ask(shop, "post", f"/v1/accounts/{owner}/persons/{name}", first_name="Chani")
    shop.poll()
    assert shop.record(name)["payload"]["first_name"] == "Chani"
    assert last(shop, name) == ("updated", "poll", "reported")


def test_a_mandate_is_fetched_when_it_is_first_referenced(shop: SyncHarness) -> None:
    mandate = first(shop, "mandate")
    shop.sandbox.control.put({**mandate, "id": "mandate_new"})
    intent = first(shop, "setup_intent", status="requires_payment_method")
    shop.sandbox.control.mutate("setup_intent", intent["id"], {"mandate": "mandate_new"})
    ask(shop, "post", f"/v1/setup_intents/{intent['id']}/cancel")
    shop.poll()
    assert last(shop, "mandate_new") == ("created", "poll", None)
    inactive = {**mandate, "id": "mandate_new", "status": "inactive"}
    shop.sandbox.control.put(inactive)
    announce(shop, "mandate.updated", inactive, previous_attributes={"status": "active"})
    shop.poll()
    assert shop.record("mandate_new")["payload"]["status"] == "inactive"
    assert last(shop, "mandate_new") == ("updated", "poll", "reported")


def test_a_discount_of_an_invoice_is_fetched_with_it(shop: SyncHarness) -> None:
    discount = first(shop, "discount")
    invoice = first(shop, "invoice", status="open", discounts=[])
    shop.sandbox.control.put({**discount, "id": "di_new", "invoice": invoice["id"]})
    shop.sandbox.control.put({**invoice, "discounts": ["di_new"]}, emit=True)
    shop.poll()
    assert last(shop, "di_new") == ("created", "poll", None)


def test_a_discount_elsewhere_is_not_taken_for_a_customers(shop: SyncHarness) -> None:
    discount = first(shop, "discount")
    other = {**discount, "id": "di_other", "subscription": "sub_somewhere"}
    announce(shop, "customer.discount.created", other)
    shop.poll()
    assert last(shop, "di_other") == ("created", "poll", "reported")
    assert not shop.record("di_other")["deleted"]


def test_an_upcoming_invoice_refreshes_the_preview_and_no_invoice(shop: SyncHarness) -> None:
    [[key, preview]] = shop.sql(
        "SELECT upstream_id, payload FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:upcoming_subscription_invoice' ORDER BY 1 LIMIT 1"
    )
    invoices = shop.sql(
        "SELECT count(*) FROM stripe_raw.records WHERE payload->>'object'='invoice'"
    )
    item = first(shop, "subscription", id=key)["items"]["data"][0]
    ask(shop, "post", f"/v1/subscription_items/{item['id']}", quantity=41)
    announce(shop, "invoice.upcoming", {k: v for k, v in preview.items() if k != "id"})
    shop.poll()
    [[fresh]] = shop.sql(
        "SELECT payload FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:upcoming_subscription_invoice' AND upstream_id = %s",
        key,
    )
    assert fresh["lines"]["data"][0]["quantity"] == 41
    assert children(shop, "upcoming_line_item", key)[f"{key}:0"]["quantity"] == 41
    assert invoices == shop.sql(
        "SELECT count(*) FROM stripe_raw.records WHERE payload->>'object'='invoice'"
    )


def test_a_preview_that_is_no_longer_due_is_deleted(shop: SyncHarness) -> None:
    [[key]] = shop.sql(
        "SELECT upstream_id FROM stripe_raw.records"
        " WHERE collection_id = 'stripe:upcoming_subscription_invoice' ORDER BY 1 DESC LIMIT 1"
    )
    assert children(shop, "upcoming_line_item", key)
    ask(shop, "delete", f"/v1/subscriptions/{key}")
    shop.poll()
    assert children(shop, "upcoming_subscription_invoice", key) == {}
    assert children(shop, "upcoming_line_item", key) == {}
    assert not shop.sql(
        "SELECT deleted FROM stripe_raw.records WHERE collection_id = 'stripe:subscription'"
        " AND upstream_id = %s",
        key,
    )[0][0]


def stored_previews(shop: SyncHarness, customer: str) -> list[tuple[str, bool]]:
    """The previews of a customer and its subscriptions, and whether they are deleted."""
    return shop.sql(
        "SELECT upstream_id, deleted FROM stripe_raw.records"
        " WHERE collection_id LIKE 'stripe:upcoming_%%_invoice' AND payload->>'customer' = %s",
        customer,
    )


def customer_with_preview(shop: SyncHarness) -> str:
    [[customer]] = shop.sql(
        "SELECT upstream_id FROM stripe_raw.records WHERE NOT deleted"
        " AND collection_id = 'stripe:upcoming_customer_invoice' ORDER BY 1 LIMIT 1"
    )
    found: str = customer
    return found


def test_previews_of_a_deleted_customer_are_deleted_with_it(shop: SyncHarness) -> None:
    customer = customer_with_preview(shop)
    assert {deleted for _, deleted in stored_previews(shop, customer)} == {False}
    shop.stripe.v1.customers.delete(customer)
    shop.poll()
    found = stored_previews(shop, customer)
    assert customer in {key for key, _ in found}
    assert {deleted for _, deleted in found} == {True}
    for key, _ in found:
        assert children(shop, "upcoming_line_item", key) == {}
    shop.assert_streams_agree()


def test_a_reconcile_deletes_the_previews_of_deleted_customers(shop: SyncHarness) -> None:
    """Before polling finds their Stripe events, as if those were lost."""
    customer = customer_with_preview(shop)
    shop.stripe.v1.customers.delete(customer)
    names = "customer", "subscription", "upcoming_customer_invoice", "upcoming_subscription_invoice"
    for name in names:
        reconcile_collection(shop.connections, SYNC, name)
    assert {deleted for _, deleted in stored_previews(shop, customer)} == {True}
    shop.assert_streams_agree()


def test_portal_sessions_come_from_stripe_events_alone(shop: SyncHarness) -> None:
    customer = first(shop, "customer", test_clock=None)
    made = ask(shop, "post", "/v1/billing_portal/sessions", customer=customer["id"])
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", "reported")


def test_children_that_cannot_be_read_are_read_later(shop: SyncHarness) -> None:
    customer = shop.sandbox.control.objects("customer")[-1]
    path = f"/v1/customers/{customer['id']}/balance_transactions"
    endpoint = "GET /v1/customers/*/balance_transactions"
    shop.sandbox.control.fault("server_error", endpoint=endpoint, probability=1.0)
    made = ask(shop, "post", path, amount=-700, currency="usd")
    shop.poll()
    assert shop.events(made["id"]) == []
    shop.sandbox.control.no_faults()
    shop.poll()
    assert last(shop, made["id"]) == ("created", "poll", None)
