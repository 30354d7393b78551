"""Lists under a parent: complete, in step with their parents, with events for each write."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sandbox.resources.registry import RESOURCES

NOW = 1_790_000_000
NAMED = [
    ("line_item", "invoice", "/v1/invoices/{}/lines", "lines"),
    ("credit_note_line_item", "credit_note", "/v1/credit_notes/{}/lines", "lines"),
    ("transfer_reversal", "transfer", "/v1/transfers/{}/reversals", "reversals"),
    ("fee_refund", "application_fee", "/v1/application_fees/{}/refunds", "refunds"),
    ("subscription_item", "subscription", "/v1/subscription_items?subscription={}", "items"),
    ("item", "checkout.session", "/v1/checkout/sessions/{}/line_items", "line_items"),
    ("item", "payment_link", "/v1/payment_links/{}/line_items", "line_items"),
    ("item", "quote", "/v1/quotes/{}/line_items", "line_items"),
]


@pytest.mark.parametrize(("kind", "parent", "path", "field"), NAMED)
def test_embedded_children_agree_with_their_lists(
    shop: Any, kind: str, parent: str, path: str, field: str
) -> None:
    parents = {doc["id"]: doc for doc in shop.control.objects(parent)}
    assert any(len(doc[field]["data"]) > 10 for doc in parents.values())
    for parent_id, doc in list(parents.items())[:12]:
        listed = shop.list_all(path.format(parent_id))
        assert listed == doc[field]["data"]
        assert all(child["object"] == kind for child in listed)
        query = {"expand[]": field} if field in RESOURCES[parent].expandable_fields else {}
        one = f"{RESOURCES[parent].path}/{parent_id}"
        embedded = shop.get(one, query)[field]
        assert embedded["data"] == listed[:10]
        assert embedded["has_more"] is (len(listed) > 10)
        assert shop.call("GET", embedded["url"]).json()["data"] == listed[:10]
        bare = shop.get(one)
        assert (field in bare) is (field not in RESOURCES[parent].expandable_fields)
    ids = [child["id"] for child in shop.control.objects(kind)]
    assert len(ids) == len(set(ids)) > 10


OWNED = [
    (("bank_account", "card", "source"), "customer", "/v1/customers/{}/sources"),
    (("customer_balance_transaction",), "customer", "/v1/customers/{}/balance_transactions"),
    (("tax_id",), "customer", "/v1/customers/{}/tax_ids"),
    (("bank_account", "card"), "account", "/v1/accounts/{}/external_accounts"),
    (("setup_attempt",), "setup_intent", "/v1/setup_attempts?setup_intent={}"),
    (("source_transaction",), "source", "/v1/sources/{}/source_transactions"),
]


@pytest.mark.parametrize(("kinds", "parent", "path"), OWNED)
def test_children_with_collections_are_all_listed_once(
    shop: Any, kinds: tuple[str, ...], parent: str, path: str
) -> None:
    wanted = sorted(
        doc["id"] for kind in kinds for doc in shop.control.objects(kind) if doc.get(parent)
    )
    found: list[str] = []
    for doc in shop.control.objects(parent):
        listed = shop.list_all(path.format(doc["id"]))
        assert all(child[parent] == doc["id"] for child in listed)
        found += [child["id"] for child in listed]
    assert sorted(found) == wanted
    assert len(wanted) > 8


def test_sources_are_of_several_kinds_and_can_be_asked_for_by_kind(shop: Any) -> None:
    for customer in shop.control.objects("customer"):
        path = f"/v1/customers/{customer['id']}/sources"
        everything = shop.list_all(path)
        for kind in ("bank_account", "card", "source"):
            some = shop.list_all(f"{path}?object={kind}")
            assert some == [child for child in everything if child["object"] == kind]
        embedded = shop.call(
            "GET", f"/v1/customers/{customer['id']}", params={"expand[]": "sources"}
        )
        assert embedded.json()["sources"]["data"] == everything[:10]
        assert "sources" not in shop.call("GET", f"/v1/customers/{customer['id']}").json()


def test_capabilities_take_no_paging_and_repeat_in_every_account(shop: Any) -> None:
    accounts = shop.list_all("/v1/accounts")
    assert len(accounts) == 6
    keys = []
    for account in accounts:
        path = f"/v1/accounts/{account['id']}/capabilities"
        page = shop.call("GET", path).json()
        assert page["has_more"] is False
        assert {child["id"]: child["status"] for child in page["data"]} == account["capabilities"]
        for name in ("limit", "starting_after", "ending_before"):
            assert shop.call("GET", path, params={name: "5"}).status_code == 400
        keys += [(child["account"], child["id"]) for child in page["data"]]
        one = shop.call("GET", f"{path}/{page['data'][0]['id']}").json()
        assert one == page["data"][0]
    assert len(keys) == len(set(keys)) == len(shop.control.objects("capability"))
    assert len({name for _, name in keys}) < len(keys)


def test_persons_are_refused_where_stripe_asks_for_the_details(shop: Any) -> None:
    found, refused = [], 0
    for account in shop.list_all("/v1/accounts"):
        answer = shop.call("GET", f"/v1/accounts/{account['id']}/persons")
        if account["controller"]["requirement_collection"] == "stripe":
            assert (answer.status_code, "Platform Controls" in answer.text) == (403, True)
            assert "code" not in answer.json()["error"]
            refused += 1
        else:
            found += [person["id"] for person in answer.json()["data"]]
    assert found and refused
    hidden = {p["id"] for p in shop.control.objects("person")} - set(found)
    assert hidden


def test_usage_summaries_are_there_in_old_versions_for_metered_items_only(shop: Any) -> None:
    old = {"stripe_version": "2025-02-24.acacia"}
    found, refused = 0, 0
    for subscription in shop.control.objects("subscription")[:50]:
        item = subscription["items"]["data"][0]
        path = f"/v1/subscription_items/{item['id']}/usage_record_summaries"
        answer = shop.call("GET", path, **old)
        if item["price"]["recurring"]["usage_type"] == "metered":
            found += len(shop.list_all(path, **old))
        else:
            error = answer.json()["error"]
            assert answer.status_code == 400
            assert "not on the legacy metered billing system" in error["message"]
            refused += 1
        assert "Unrecognized request URL" in shop.call("GET", path).text
    assert found > 10 and refused


def test_a_deleted_parents_children_are_gone(api: Any) -> None:
    customer = api.post("/v1/customers", {"name": "Ada"})["id"]
    card = api.post(f"/v1/customers/{customer}/sources", {"source": "tok_visa"})
    assert card["object"] == "card"
    path = f"/v1/customers/{customer}/sources"
    assert api.get(f"{path}/{card['id']}") == card
    api.call("DELETE", f"/v1/customers/{customer}")
    for gone in (path, f"{path}/{card['id']}", f"/v1/customers/{customer}/tax_ids"):
        assert api.refused(404, "GET", gone)["code"] == "resource_missing"


def test_accounts_own_tax_ids_are_listed_by_default(api: Any) -> None:
    customer = api.post("/v1/customers", {"name": "Ada"})["id"]
    data = {"type": "eu_vat", "value": "DE123456789"}
    theirs = api.post(f"/v1/customers/{customer}/tax_ids", data)["id"]
    own = api.post("/v1/tax_ids", {"type": "us_ein", "value": "12-3456789"})["id"]
    assert api.ids("/v1/tax_ids") == [own]
    owner = {"owner[type]": "customer", "owner[customer]": customer}
    assert api.ids("/v1/tax_ids", owner) == [theirs]
    assert api.get(f"/v1/tax_ids/{theirs}") == api.get(f"/v1/customers/{customer}/tax_ids/{theirs}")
    assert api.event_types() == ["customer.tax_id.created", "customer.created"]
    api.call("DELETE", f"/v1/customers/{customer}/tax_ids/{theirs}")
    assert api.event_types()[0] == "customer.tax_id.deleted"


def test_balances_move_with_their_transactions(api: Any) -> None:
    customer = api.post("/v1/customers", {"name": "Ada"})["id"]
    path = f"/v1/customers/{customer}/balance_transactions"
    first = api.post(path, {"amount": -500, "currency": "usd"})
    second = api.post(path, {"amount": 200, "currency": "usd"})
    assert [doc["ending_balance"] for doc in (first, second)] == [-500, -300]
    assert api.get(f"/v1/customers/{customer}")["balance"] == -300
    newest = api.get("/v1/events")["data"][0]
    assert newest["type"] == "customer.updated"
    assert newest["data"]["previous_attributes"] == {"balance": -500}
    assert api.ids(path, {"created[gte]": NOW}) == [second["id"], first["id"]]


def test_item_writes_are_updates_of_their_subscription(api: Any) -> None:
    product = api.post("/v1/products", {"name": "Tote"})["id"]
    price = {"product": product, "currency": "usd", "unit_amount": 900}
    price_id = api.post("/v1/prices", {**price, "recurring[interval]": "month"})["id"]
    customer = api.post("/v1/customers", {"name": "Ada"})["id"]
    subscription = api.post(
        "/v1/subscriptions", {"customer": customer, "items[0][price]": price_id}
    )
    item = api.post(
        "/v1/subscription_items", {"subscription": subscription["id"], "price": price_id}
    )
    event = api.get("/v1/events")["data"][0]
    assert event["type"] == "customer.subscription.updated"
    before = event["data"]["previous_attributes"]["items"]["data"]
    assert before == subscription["items"]["data"]
    api.post(f"/v1/subscription_items/{item['id']}", {"quantity": 4})
    assert api.get(f"/v1/subscription_items/{item['id']}")["quantity"] == 4
    api.call("DELETE", f"/v1/subscription_items/{item['id']}")
    api.refused(404, "GET", f"/v1/subscription_items/{item['id']}")
    kinds = api.event_types()[:3]
    assert kinds == ["customer.subscription.updated"] * 3


@pytest.mark.parametrize(
    ("parent", "path", "done", "kinds"),
    [
        ("transfer", "/v1/transfers/p/reversals", "amount_reversed", ["transfer.reversed"]),
        (
            "application_fee",
            "/v1/application_fees/p/refunds",
            "amount_refunded",
            ["application_fee.refund.updated", "application_fee.refunded"],
        ),
    ],
)
def test_reversals_cause_events_of_their_parent(
    api: Any, parent: str, path: str, done: str, kinds: list[str]
) -> None:
    api.control.put({"id": "p", "object": parent, "created": NOW, "amount": 900, "currency": "usd"})
    first = api.post(path, {"amount": 400})
    second = api.post(path)
    assert (second["amount"], api.ids(path)) == (500, [second["id"], first["id"]])
    api.post(f"{path}/{first['id']}", {"metadata[why]": "kind"})
    assert api.get(f"{path}/{first['id']}")["metadata"] == {"why": "kind"}
    assert api.event_types() == [*kinds, kinds[-1]]
    assert api.get("/v1/events")["data"][-1]["data"]["object"][done] == 400
    api.refused(400, "POST", path, data={"amount": 1})


def test_external_accounts_capabilities_and_persons_have_events_of_their_own(api: Any) -> None:
    account = api.post("/v1/accounts", {"capabilities[transfers][requested]": "true"})["id"]
    path = f"/v1/accounts/{account}"
    bank = api.post(f"{path}/external_accounts", {"external_account": "btok_us"})
    person = api.post(f"{path}/persons", {"first_name": "Ada"})
    api.post(f"{path}/persons/{person['id']}", {"first_name": "Noor"})
    api.post(f"{path}/capabilities/transfers", {"requested": "false"})
    assert api.get(path)["capabilities"] == {"transfers": "unrequested"}
    assert api.get(path)["external_accounts"]["data"] == [bank]
    assert api.ids("/v1/accounts") == [account]
    api.call("DELETE", f"{path}/external_accounts/{bank['id']}")
    api.call("DELETE", f"{path}/persons/{person['id']}")
    events = api.get("/v1/events")["data"]
    assert [event["type"] for event in events] == [
        "person.deleted",
        "account.external_account.deleted",
        "capability.updated",
        "person.updated",
        "person.created",
        "account.external_account.created",
    ]
    assert {event["account"] for event in events} == {account}
    assert api.get("/v1/account", stripe_account=account)["id"] == account


def test_sources_are_detached_and_cards_deleted(api: Any) -> None:
    customer = api.post("/v1/customers", {"name": "Ada"})["id"]
    source = api.post("/v1/sources", {"type": "ach_credit_transfer", "currency": "usd"})["id"]
    path = f"/v1/customers/{customer}/sources"
    assert api.post(path, {"source": source})["customer"] == customer
    card = api.post(path, {"source": "tok_visa"})["id"]
    left = api.call("DELETE", f"{path}/{source}").json()
    assert (left["object"], left.get("customer"), left.get("deleted")) == ("source", None, None)
    assert api.get(f"/v1/sources/{source}")["id"] == source
    assert api.call("DELETE", f"{path}/{card}").json() == {
        "id": card,
        "object": "card",
        "deleted": True,
    }
    assert api.event_types()[:2] == ["customer.source.deleted"] * 2
    assert api.ids(path) == []


def test_lines_of_drafts_change_with_an_event_of_their_invoice(api: Any) -> None:
    api.control.put({"id": "in_1", "object": "invoice", "created": NOW, "status": "draft"})
    added = {"lines[0][amount]": 500, "lines[1][amount]": 700}
    lines = api.post("/v1/invoices/in_1/add_lines", added)["lines"]["data"]
    assert [line["amount"] for line in lines] == [500, 700]
    api.post(f"/v1/invoices/in_1/lines/{lines[0]['id']}", {"description": "Rope"})
    api.post(
        "/v1/invoices/in_1/remove_lines",
        {"lines[0][id]": lines[1]["id"], "lines[0][behavior]": "delete"},
    )
    found = api.get("/v1/invoices/in_1/lines")["data"]
    assert [(line["id"], line["description"]) for line in found] == [(lines[0]["id"], "Rope")]
    assert api.event_types() == ["invoice.updated"] * 3
