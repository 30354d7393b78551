from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import Resource
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL

NOW = 1_790_000_000
PRICE = {"currency": "usd", "unit_amount": "500", "recurring[interval]": "month"}
CURRENT = [resource for resource in TOP_LEVEL if not resource.is_legacy]
UPDATABLE = [
    pytest.param(resource, id=resource.object) for resource in CURRENT if "u" in resource.ops
]
CREATABLE = [
    pytest.param(resource, id=resource.object) for resource in CURRENT if "c" in resource.ops
]
DELETABLE = [
    pytest.param(resource, id=resource.object) for resource in CURRENT if "d" in resource.ops
]

NEEDED: dict[str, dict[str, str]] = {
    "credit_note": {"invoice": "in_1"},
    "issuing.card": {"currency": "usd", "type": "virtual"},
    "issuing.cardholder": {"name": "Ada", "billing[address][city]": "Oslo"},
    "payment_intent": {"amount": "5", "currency": "usd"},
    "payout": {"amount": "5", "currency": "usd"},
    "plan": {"currency": "usd", "interval": "month"},
    "price": {"currency": "usd"},
    "product": {"name": "Rope"},
    "promotion_code": {"promotion[type]": "coupon", "promotion[coupon]": "c"},
    "transfer": {"currency": "usd", "destination": "acct_1"},
}


@pytest.mark.parametrize("resource", CREATABLE)
def test_creations_store_an_object_and_write_its_event(api: Any, resource: Resource) -> None:
    made = api.post(resource.path, {**NEEDED.get(resource.object, {}), "metadata[a]": "b"})
    assert made["object"] == resource.object
    assert made["id"].startswith(resource.prefix)
    assert made[resource.created_field] == NOW
    assert made["metadata"] == {"a": "b"}
    assert api.get(f"{resource.path}/{made['id']}") == made
    events = api.get("/v1/events")["data"]
    assert [e["type"] for e in events if e["type"] in resource.events.created] == list(
        resource.events.created
    )
    for event in events:
        if event["type"] in resource.events.created:
            assert event["data"] == {"object": made}
            assert event["created"] == NOW


@pytest.mark.parametrize("resource", UPDATABLE)
def test_updates_write_the_old_values_where_stripe_has_an_event(
    api: Any, resource: Resource
) -> None:
    old = {
        "id": "x",
        "object": resource.object,
        resource.created_field: NOW - 9,
        "metadata": {"a": "1", "b": "2"},
    }
    api.control.put(old)
    new = api.post(
        f"{resource.path}/x", {"metadata[a]": "9", "metadata[b]": "", "metadata[c]": "3"}
    )
    assert new["metadata"] == {"a": "9", "c": "3"}
    events = api.get("/v1/events")["data"]
    assert sorted(e["type"] for e in events) == sorted(resource.events.updated)
    for event in events:
        assert event["data"]["object"]["metadata"] == {"a": "9", "c": "3"}
        old_values = event["data"]["previous_attributes"]
        assert old_values["metadata"] == {"a": "1", "b": "2", "c": None}


@pytest.mark.parametrize("resource", DELETABLE)
def test_deletions_leave_what_stripe_leaves(api: Any, resource: Resource) -> None:
    doc = {"id": "x", "object": resource.object, resource.created_field: NOW - 9, "status": "draft"}
    api.control.put(doc)
    answer = api.call("DELETE", f"{resource.path}/x").json()
    if resource.on_delete == "cancel":
        assert (answer["status"], answer["canceled_at"]) == ("canceled", NOW)
        assert api.get(f"{resource.path}/x") == answer
    else:
        assert answer == {"id": "x", "object": resource.object, "deleted": True}
        assert api.ids(resource.path) == []
    if resource.on_delete == "stub":
        assert api.get(f"{resource.path}/x") == answer
    if resource.on_delete == "missing":
        error = api.refused(404, "GET", f"{resource.path}/x")
        assert (error["code"], error["type"]) == ("resource_missing", "invalid_request_error")
    events = api.get("/v1/events")["data"]
    assert [e["type"] for e in events] == list(resource.events.deleted)
    assert "previous_attributes" not in events[0]["data"]
    api.refused(404, "DELETE", f"{resource.path}/x")


def test_only_drafts_of_invoices_can_be_deleted(api: Any) -> None:
    api.control.put({"id": "in_1", "object": "invoice", "created": NOW, "status": "open"})
    api.refused(400, "DELETE", "/v1/invoices/in_1")
    assert api.ids("/v1/invoices") == ["in_1"]


@pytest.mark.parametrize("kind", ["coupon", "plan", "product"])
def test_ids_that_users_choose_can_come_back(api: Any, kind: str) -> None:
    path, needed = RESOURCES[kind].path, NEEDED.get(kind, {})
    assert api.post(path, {**needed, "id": "mine"})["id"] == "mine"
    error = api.refused(400, "POST", path, data={**needed, "id": "mine"})
    assert error["code"] == "resource_already_exists"
    api.call("DELETE", f"{path}/mine")
    assert api.post(path, {**needed, "id": "mine"})["id"] == "mine"
    assert api.ids(path) == ["mine"]


def test_parameters_take_the_type_that_they_have(api: Any) -> None:
    made = api.post(
        "/v1/customers",
        {
            "balance": "-50",
            "address[city]": "Oslo",
            "preferred_locales[0]": "nb",
            "preferred_locales[1]": "en",
            "invoice_settings[custom_fields][0][name]": "PO",
            "invoice_settings[custom_fields][0][value]": "7",
        },
    )
    assert (made["balance"], made["address"]["city"]) == (-50, "Oslo")
    assert made["address"]["line1"] is None
    assert made["preferred_locales"] == ["nb", "en"]
    assert made["invoice_settings"]["custom_fields"] == [{"name": "PO", "value": "7"}]
    price = {"currency": "usd", "unit_amount": "1999", "recurring[interval]": "month"}
    made = api.post("/v1/prices", {**price, "active": "false"})
    assert (made["unit_amount"], made["active"], made["type"]) == (1999, False, "recurring")


@pytest.mark.parametrize(
    ("data", "param"),
    [({"balance": "much"}, "balance"), ({"tax_exempt_": "x"}, "tax_exempt_"),
     ({"address": "x"}, "address"), ({"address[planet]": "x"}, "address[planet]")],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(api: Any, data: Any, param: str) -> None:
    assert api.refused(400, "POST", "/v1/customers", data=data)["param"] == param
    assert api.ids("/v1/customers") == []


def test_missing_parameters_are_named(api: Any) -> None:
    error = api.refused(400, "POST", "/v1/payment_intents", data={"currency": "usd"})
    assert (error["code"], error["param"]) == ("parameter_missing", "amount")


def test_the_empty_string_unsets(api: Any) -> None:
    made = api.post("/v1/customers", {"name": "Ada", "phone": "1", "metadata[a]": "b"})
    new = api.post(f"/v1/customers/{made['id']}", {"phone": "", "metadata": "", "email": "a@b.c"})
    assert (new["name"], new["phone"], new["metadata"], new["email"]) == ("Ada", None, {}, "a@b.c")


def test_an_update_that_changes_nothing_writes_no_event(api: Any) -> None:
    made = api.post("/v1/customers", {"name": "Ada"})
    api.post(f"/v1/customers/{made['id']}", {"name": "Ada"})
    assert api.event_types() == ["customer.created"]


def test_arrays_are_whole_and_nested_objects_partial_in_previous_attributes(api: Any) -> None:
    made = api.post(
        "/v1/customers",
        {"address[city]": "Oslo", "address[country]": "NO", "preferred_locales[]": "nb"},
    )
    data = {"address[city]": "Bergen", "preferred_locales[0]": "nb", "preferred_locales[1]": "en"}
    api.post(f"/v1/customers/{made['id']}", data)
    event = api.get("/v1/events", {"type": "customer.updated"})["data"][0]
    old = {"address": {"city": "Oslo"}, "preferred_locales": ["nb"]}
    assert event["data"]["previous_attributes"] == old


def test_updates_of_what_does_not_exist_are_404(api: Any) -> None:
    error = api.refused(404, "POST", "/v1/customers/nobody", data={"name": "x"})
    assert (error["code"], error["message"]) == ("resource_missing", "No such customer: 'nobody'")


def test_a_subscription_gets_its_items_and_its_price(api: Any) -> None:
    customer = api.post("/v1/customers")["id"]
    price = api.post(
        "/v1/prices", {"currency": "usd", "unit_amount": "500", "recurring[interval]": "month"}
    )
    data = {"customer": customer, "items[0][price]": price["id"], "items[0][quantity]": "2"}
    made = api.post("/v1/subscriptions", data)
    item = made["items"]["data"][0]
    assert (item["quantity"], item["price"]) == (2, price)
    assert made["status"] == "active"
    assert item["current_period_end"] > NOW
    api.call("DELETE", f"/v1/customers/{customer}")
    assert api.get(f"/v1/subscriptions/{made['id']}")["status"] == "canceled"
    assert api.event_types()[:2] == ["customer.deleted", "customer.subscription.deleted"]


def test_a_refund_changes_its_charge_and_a_price_has_its_plan(api: Any) -> None:
    charge = api.post("/v1/charges", {"amount": "900", "currency": "usd"})
    api.post("/v1/refunds", {"charge": charge["id"], "amount": "900"})
    assert api.get(f"/v1/charges/{charge['id']}")["refunded"] is True
    assert "charge.refunded" in api.event_types()
    price = api.post("/v1/prices", {"currency": "usd", "recurring[interval]": "year"})
    assert api.get(f"/v1/plans/{price['id']}")["interval"] == "year"
    assert {"price.created", "plan.created"} <= set(api.event_types())


def test_actions_move_the_status_and_write_their_event(api: Any) -> None:
    invoice = api.post("/v1/invoices", {"currency": "usd"})["id"]
    assert api.post(f"/v1/invoices/{invoice}/finalize")["status"] == "open"
    assert api.post(f"/v1/invoices/{invoice}/pay")["status"] == "paid"
    api.refused(400, "POST", f"/v1/invoices/{invoice}/void")
    assert {"invoice.finalized", "invoice.paid"} <= set(api.event_types())
    api.control.put({"id": "prv_1", "object": "review", "created": NOW, "open": True})
    api.post("/v1/reviews/prv_1/approve")
    assert api.ids("/v1/reviews") == []
    assert "review.closed" in api.event_types()


def test_the_sdk_creates_updates_and_deletes(api: Any) -> None:
    client = stripe.StripeClient(api.server.api_key, base_addresses={"api": api.server.base_url})
    made = client.v1.customers.create({"name": "Ada", "metadata": {"a": "b"}})
    client.v1.customers.update(made.id, {"name": "Noor"})
    assert client.v1.customers.retrieve(made.id).name == "Noor"
    assert client.v1.customers.delete(made.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.coupons.retrieve("nobody")
    assert (caught.value.code, caught.value.http_status) == ("resource_missing", 404)
    with pytest.raises(stripe.AuthenticationError):
        stripe.StripeClient(
            "sk_test_wrong", base_addresses={"api": api.server.base_url}
        ).v1.customers.list()


def test_a_subscription_brings_its_first_invoice(api: Any) -> None:
    customer, price = api.post("/v1/customers")["id"], api.post("/v1/prices", PRICE)["id"]
    data = {"customer": customer, "items[0][price]": price, "items[0][quantity]": "3"}
    answer = api.call("POST", "/v1/subscriptions", data=data)
    made = answer.json()
    invoice = api.get(f"/v1/invoices/{made['latest_invoice']}")
    assert (invoice["total"], invoice["status"], invoice["customer"]) == (1500, "paid", customer)
    events = api.get("/v1/events", {"limit": 100})["data"]
    same = [e["type"] for e in events if e["request"]["id"] == answer.headers["request-id"]]
    assert same[::-1] == [
        "customer.subscription.created", "invoice.created", "payment_intent.created",
        "invoice.finalized", "charge.succeeded", "payment_intent.succeeded",
        "invoice_payment.paid", "invoice.paid",
    ]  # fmt: skip
    api.control.mutate("invoice", invoice["id"], {"status": "draft"})
    api.refused(400, "DELETE", f"/v1/invoices/{invoice['id']}")


def test_a_product_comes_with_its_price_and_cannot_be_deleted_then(api: Any) -> None:
    data = {"default_price_data[currency]": "usd", "default_price_data[unit_amount]": "500"}
    made = api.post("/v1/products", {"name": "Rope", **data})
    assert api.get(f"/v1/prices/{made['default_price']}")["product"] == made["id"]
    api.refused(400, "DELETE", f"/v1/products/{made['id']}")
    assert {"product.created", "price.created", "product.updated"} <= set(api.event_types())


def test_a_cancelled_subscription_is_still_there(api: Any) -> None:
    api.control.put({"id": "sub_1", "object": "subscription", "created": NOW, "status": "active"})
    path = "/v1/subscriptions/sub_1"
    error = api.refused(400, "DELETE", f"{path}?prorat=true")
    assert (error["code"], error["param"]) == ("parameter_unknown", "prorat")
    assert api.call("DELETE", f"{path}?invoice_now=true&prorate=true").status_code == 200
    assert api.refused(404, "DELETE", path)["code"] == "resource_missing"
    assert api.get(path)["status"] == "canceled"


@pytest.mark.parametrize(
    ("kind", "path", "name", "allowed"),
    [
        ("invoice", "/v1/invoices", "finalize", "draft"),
        ("invoice", "/v1/invoices", "void", "open"),
        ("payment_intent", "/v1/payment_intents", "capture", "requires_capture"),
        ("payment_intent", "/v1/payment_intents", "cancel", "requires_action"),
        ("refund", "/v1/refunds", "cancel", "requires_action"),
        ("payout", "/v1/payouts", "cancel", "pending"),
        ("subscription_schedule", "/v1/subscription_schedules", "release", "active"),
        ("checkout.session", "/v1/checkout/sessions", "expire", "open"),
        ("credit_note", "/v1/credit_notes", "void", "issued"),
    ],
)
def test_the_state_decides_what_is_allowed(
    api: Any, kind: str, path: str, name: str, allowed: str
) -> None:
    doc = {"id": "x", "object": kind, "created": NOW, "amount": 5, "amount_capturable": 5}
    for status in ("other", None):
        api.control.put({**doc, "status": status})
        error = api.refused(400, "POST", f"{path}/x/{name}")
        assert error["code"] == f"{kind.replace('.', '_')}_unexpected_state"
    api.control.put({**doc, "status": allowed})
    error = api.refused(400, "POST", f"{path}/x/{name}", data={"colour": "red"})
    assert error["code"] == "parameter_unknown"
    assert api.post(f"{path}/x/{name}")["status"] != allowed


def test_metadata_is_merged_as_text(api: Any) -> None:
    made = api.post("/v1/customers", {"metadata[a]": "1.5", "metadata[b]": "true"})
    path = f"/v1/customers/{made['id']}"
    assert made["metadata"] == {"a": "1.5", "b": "true"}
    assert api.post(path, {"metadata[a]": "", "metadata[ключ]": "漢字"})["metadata"] == {
        "b": "true", "ключ": "漢字",
    }  # fmt: skip
    assert api.post(path, {"metadata": ""})["metadata"] == {}


@pytest.mark.parametrize(
    ("metadata", "allowed"),
    [
        ({"k" * 40: "v" * 500}, True),
        ({"k" * 41: "v"}, False),
        ({"k": "v" * 501}, False),
        ({f"k{n}": "v" for n in range(48)}, True),
        ({f"k{n}": "v" for n in range(49)}, False),
    ],
)
def test_metadata_has_limits(api: Any, metadata: dict[str, str], allowed: bool) -> None:
    made = api.post("/v1/customers", {"metadata[old]": "1", "metadata[other]": "2"})
    data = {f"metadata[{key}]": value for key, value in metadata.items()}
    answer = api.call("POST", f"/v1/customers/{made['id']}", data=data)
    assert answer.status_code == (200 if allowed else 400)
    found = api.get(f"/v1/customers/{made['id']}")["metadata"]
    assert found == {**made["metadata"], **(metadata if allowed else {})}


def test_arrays_have_no_gaps(api: Any) -> None:
    data = {"preferred_locales[0]": "de", "preferred_locales[2]": "nb"}
    assert api.refused(400, "POST", "/v1/customers", data=data)["param"] == "preferred_locales"
