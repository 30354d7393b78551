from __future__ import annotations

from typing import Any

import pytest

from stripe_sandbox.resources.registry import RESOURCES

NOW = 1_790_000_000


def put(api: Any, kind: str, object_id: str, **fields: Any) -> None:
    api.control.put({"id": object_id, "object": kind, "created": NOW, **fields})


def test_ids_become_objects_in_lists_and_retrieves(api: Any) -> None:
    put(api, "customer", "cus_1", name="Ada")
    put(api, "charge", "ch_1", customer="cus_1")
    assert api.get("/v1/charges")["data"][0]["customer"] == "cus_1"
    listed = api.get("/v1/charges", {"expand[]": "data.customer"})["data"][0]
    assert listed["customer"]["name"] == "Ada"
    assert api.get("/v1/charges/ch_1", {"expand[0]": "customer"})["customer"]["id"] == "cus_1"


def test_four_levels_and_no_more(api: Any) -> None:
    put(api, "customer", "cus_1", invoice_settings={"default_payment_method": "pm_1"})
    put(api, "payment_method", "pm_1", type="card", customer="cus_1")
    put(api, "payment_intent", "pi_1", customer="cus_1", latest_charge="ch_1")
    put(api, "charge", "ch_1", customer="cus_1", payment_intent="pi_1")
    path = "data.payment_intent.latest_charge.customer"
    deep = api.get("/v1/charges", {"expand[]": path})["data"][0]
    assert deep["payment_intent"]["latest_charge"]["customer"]["id"] == "cus_1"
    nested = "customer.invoice_settings.default_payment_method"
    found = api.get("/v1/charges/ch_1", {"expand[]": nested})
    assert found["customer"]["invoice_settings"]["default_payment_method"]["id"] == "pm_1"
    error = api.refused(400, "GET", "/v1/charges", params={"expand[]": f"{path}.default_source"})
    assert "expand more than 4 levels" in error["message"]


@pytest.mark.parametrize("path", ["customer", "data", "data.amount", "data.nobody", "data.id"])
def test_what_cannot_be_expanded_is_refused(api: Any, path: str) -> None:
    error = api.refused(400, "GET", "/v1/charges", params={"expand[]": path})
    assert error["message"] == f"This property cannot be expanded ({path})."


@pytest.mark.parametrize(
    ("kind", "path", "field"),
    [
        ("coupon", "/v1/coupons", "applies_to"),
        ("coupon", "/v1/coupons", "currency_options"),
        ("customer", "/v1/customers", "tax"),
        ("customer", "/v1/customers", "invoice_credit_balance"),
        ("customer", "/v1/customers", "sources"),
        ("price", "/v1/prices", "tiers"),
        ("price", "/v1/prices", "currency_options"),
        ("plan", "/v1/plans", "tiers"),
        ("checkout.session", "/v1/checkout/sessions", "line_items"),
        ("issuing.card", "/v1/issuing/cards", "number"),
    ],
)
def test_expandable_fields_are_absent_until_expanded(
    api: Any, kind: str, path: str, field: str
) -> None:
    existing = {field: {"object": "list", "data": [{"id": "y"}]}}
    doc = {"id": "x", "object": kind, "created": NOW, "active": True, **existing}
    api.control.put(doc, as_given=False)
    assert field not in api.get(path)["data"][0]
    assert field not in api.get(f"{path}/x")
    assert api.get(f"{path}/x", {"expand[]": field})[field]["data"] == [{"id": "y"}]
    assert field in api.get(path, {"expand[]": f"data.{field}"})["data"][0]


@pytest.mark.parametrize(
    ("parent", "field", "child"),
    [
        ("charge", "refunds", "refund"),
        ("customer", "subscriptions", "subscription"),
        ("customer", "tax_ids", "tax_id"),
        ("invoice", "payments", "invoice_payment"),
    ],
)
def test_expanded_lists_have_the_first_ten(api: Any, parent: str, field: str, child: str) -> None:
    path = RESOURCES[parent].path
    put(api, parent, "p")
    for number in range(12):
        put(api, child, f"c{number}", status="active", **{parent: "p"})
    assert field not in api.get(f"{path}/p")
    page = api.get(f"{path}/p", {"expand[]": field})[field]
    assert (page["object"], page["has_more"], len(page["data"])) == ("list", True, 10)
    assert page["data"][0]["id"] == "c11"
    whole = api.get(page["url"], {"limit": 100} if "?" not in page["url"] else None)
    assert [doc["id"] for doc in whole["data"]][:10] == [doc["id"] for doc in page["data"]]


def lines(count: int) -> dict[str, Any]:
    data = [{"id": f"il_{n}", "object": "line_item", "amount": n} for n in range(count)]
    return {"object": "list", "data": data, "has_more": False, "url": "/v1/invoices/in_1/lines"}


def test_embedded_lists_are_cut_at_ten_everywhere(api: Any) -> None:
    doc = {"id": "in_1", "object": "invoice", "created": NOW, "lines": lines(14)}
    api.control.put(doc, emit=True)
    put(api, "invoiceitem", "ii_1", date=NOW, invoice="in_1")
    answers = [
        api.get("/v1/invoices")["data"][0],
        api.get("/v1/invoices/in_1"),
        api.get("/v1/events")["data"][0]["data"]["object"],
        api.get("/v1/invoiceitems/ii_1", {"expand[]": "invoice"})["invoice"],
    ]
    for invoice in answers:
        assert [line["id"] for line in invoice["lines"]["data"]] == [f"il_{n}" for n in range(10)]
        assert invoice["lines"]["has_more"] is True
        assert invoice["lines"]["url"] == "/v1/invoices/in_1/lines"


def test_the_rest_of_an_embedded_list_is_behind_its_url(api: Any) -> None:
    put(api, "invoice", "in_1", lines=lines(14))
    page = api.get("/v1/invoices/in_1/lines", {"starting_after": "il_9"})
    assert [line["id"] for line in page["data"]] == ["il_10", "il_11", "il_12", "il_13"]
    assert page["has_more"] is False
    whole = api.get("/v1/invoices/in_1/lines", {"limit": 100})
    assert len(whole["data"]) == 14
    before = api.get("/v1/invoices/in_1/lines", {"limit": 2, "ending_before": "il_5"})
    assert ([line["id"] for line in before["data"]], before["has_more"]) == (["il_3", "il_4"], True)
    error = api.refused(400, "GET", "/v1/invoices/in_1/lines", params={"starting_after": "il_99"})
    assert error["code"] == "resource_missing"
    api.refused(404, "GET", "/v1/invoices/in_9/lines")


def test_subscription_items_are_listed_by_their_subscription(api: Any) -> None:
    item = {"id": "si_1", "object": "subscription_item", "quantity": 3}
    put(api, "subscription", "sub_1", items={"object": "list", "data": [item], "has_more": False})
    page = api.get("/v1/subscription_items", {"subscription": "sub_1"})
    assert page["data"] == [item]
    assert api.get("/v1/subscription_items/si_1") == item
    assert api.refused(400, "GET", "/v1/subscription_items")["code"] == "parameter_missing"


def test_deleted_customers_expand_to_their_stub(api: Any) -> None:
    put(api, "customer", "cus_1")
    put(api, "charge", "ch_1", customer="cus_1")
    api.call("DELETE", "/v1/customers/cus_1")
    found = api.get("/v1/charges/ch_1", {"expand[]": "customer"})
    assert found["customer"] == {"id": "cus_1", "object": "customer", "deleted": True}


def test_balance_transactions_carry_their_source(api: Any) -> None:
    put(api, "payout", "po_1", amount=5)
    put(api, "balance_transaction", "txn_1", source="po_1")
    found = api.get("/v1/balance_transactions", {"expand[]": "data.source"})["data"][0]
    assert found["source"]["amount"] == 5
