from __future__ import annotations

from typing import Any

import pytest

NOW = 1_790_000_000
NEWEST = "2026-10-28.endive"


def test_responses_have_their_version_and_request_id(api: Any) -> None:
    answer = api.call("GET", "/v1/customers")
    assert answer.headers["stripe-version"] == NEWEST
    assert answer.headers["request-id"].startswith("req_")
    api.control.settings(api_version="2024-06-20")
    assert api.call("GET", "/v1/account").headers["stripe-version"] == "2024-06-20"
    answer = api.call("GET", "/v1/account", stripe_version="2020-08-27")
    assert answer.headers["stripe-version"] == "2020-08-27"


@pytest.mark.parametrize("version", ["x", "2024-13-01", "2020-8-27", "2026-10-28", "2099-01-01.z"])
def test_versions_that_cannot_exist_are_refused(api: Any, version: str) -> None:
    error = api.refused(400, "GET", "/v1/customers", stripe_version=version)
    assert error["type"] == "invalid_request_error"


def test_discounts_and_promotion_codes_change_shape_in_clover(api: Any) -> None:
    api.control.put({"id": "co", "object": "coupon", "created": NOW, "percent_off": 5})
    discount = {"id": "di_1", "object": "discount", "source": {"coupon": "co", "type": "coupon"}}
    api.control.put({"id": "cus_1", "object": "customer", "created": NOW, "discount": discount})
    code = {"id": "promo_1", "object": "promotion_code", "created": NOW, "active": True}
    api.control.put({**code, "promotion": {"type": "coupon", "coupon": "co"}})
    new = api.get("/v1/customers/cus_1", stripe_version="2025-09-30.clover")
    assert new["discount"] == discount
    old = api.get("/v1/customers", stripe_version="2025-08-27.basil")["data"][0]
    assert "source" not in old["discount"]
    assert old["discount"]["coupon"]["percent_off"] == 5
    old = api.get("/v1/promotion_codes/promo_1", stripe_version="2020-08-27")
    assert old["coupon"]["id"] == "co"
    assert "promotion" not in old


def test_subscription_periods_move_to_the_items_in_basil(api: Any) -> None:
    item = {"id": "si_1", "object": "subscription_item", "current_period_start": 1,
            "current_period_end": 2}  # fmt: skip
    items = {"object": "list", "data": [item], "has_more": False}
    api.control.put({"id": "sub_1", "object": "subscription", "created": NOW, "items": items})
    new = api.get("/v1/subscriptions/sub_1", stripe_version="2025-03-31.basil")
    assert "current_period_end" not in new
    old = api.get("/v1/subscriptions/sub_1", stripe_version="2025-02-24.acacia")
    assert (old["current_period_start"], old["current_period_end"]) == (1, 2)
    assert "current_period_end" not in old["items"]["data"][0]


def test_invoices_lose_their_payment_fields_in_basil(api: Any) -> None:
    parent = {"subscription_details": {"subscription": "sub_1"}}
    invoice = {"id": "in_1", "object": "invoice", "created": NOW, "status": "paid"}
    api.control.put({**invoice, "parent": parent, "total_taxes": [{"amount": 3}, {"amount": 4}]})
    payment = {"id": "inpay_1", "object": "invoice_payment", "created": NOW, "invoice": "in_1"}
    api.control.put({**payment, "payment": {"payment_intent": "pi_1", "type": "payment_intent"}})
    assert "paid" not in api.get("/v1/invoices/in_1")
    old = api.get("/v1/invoices", stripe_version="2024-06-20")["data"][0]
    assert (old["subscription"], old["paid"], old["tax"]) == ("sub_1", True, 7)
    assert old["payment_intent"] == "pi_1"
    assert "parent" not in old


def test_old_versions_include_what_new_ones_leave_out(api: Any) -> None:
    api.control.put({"id": "ch_1", "object": "charge", "created": NOW, "payment_intent": "pi_1"})
    api.control.put({"id": "re_1", "object": "refund", "created": NOW, "charge": "ch_1"})
    api.control.put({"id": "pi_1", "object": "payment_intent", "created": NOW})
    api.control.put({"id": "cus_1", "object": "customer", "created": NOW})
    assert "refunds" not in api.get("/v1/charges/ch_1")
    old = api.get("/v1/charges/ch_1", stripe_version="2022-08-01")
    assert [r["id"] for r in old["refunds"]["data"]] == ["re_1"]
    old = api.get("/v1/payment_intents/pi_1", stripe_version="2022-08-01")
    assert [c["id"] for c in old["charges"]["data"]] == ["ch_1"]
    old = api.get("/v1/customers/cus_1", stripe_version="2019-12-03")
    assert old["subscriptions"]["data"] == []


def test_before_clover_payment_methods_are_listed_for_a_customer_only(api: Any) -> None:
    method = {"object": "payment_method", "created": NOW, "type": "card"}
    api.control.put({"id": "cus_1", "object": "customer", "created": NOW})
    api.control.put({**method, "id": "pm_1", "customer": "cus_1"})
    old = {"stripe_version": "2025-11-17.clover"}
    assert api.ids("/v1/payment_methods") == ["pm_1"]
    assert api.ids("/v1/payment_methods", **old) == []
    assert api.ids("/v1/payment_methods", {"customer": "cus_1"}, **old) == ["pm_1"]
    assert api.ids("/v1/customers/cus_1/payment_methods", **old) == ["pm_1"]


def test_an_object_in_two_fields_changes_shape_in_both(api: Any) -> None:
    source = {"coupon": "co", "type": "coupon"}
    discount = {"id": "di_1", "object": "discount", "subscription": "sub_1", "source": source}
    page = {"object": "list", "data": [], "has_more": False}
    doc = {"id": "sub_1", "object": "subscription", "created": NOW, "status": "active"}
    api.control.put({"id": "co", "object": "coupon", "created": NOW}, discount)
    api.control.put({**doc, "customer": "cus_1", "items": page, "discounts": ["di_1"]})
    params = {"expand[]": "discounts"}
    found = api.get("/v1/subscriptions/sub_1", params, stripe_version="2022-08-01")
    assert found["discount"]["coupon"]["id"] == found["discounts"][0]["coupon"]["id"] == "co"
