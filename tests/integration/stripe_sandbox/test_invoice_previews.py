"""Previews, discounts, and objects that only a creation or a Stripe event returns."""

from __future__ import annotations

from typing import Any

import pytest

NOW = 1_790_000_000
ACACIA = {"stripe_version": "2025-02-24.acacia"}


def subscribed(api: Any, count: int = 1, **fields: Any) -> str:
    item = {"object": "subscription_item", "quantity": 2, "current_period_end": NOW + 60}
    price = {"object": "price", "unit_amount": 900, "recurring": {"usage_type": "licensed"}}
    items = [{**item, "id": f"si_{n}", "price": price} for n in range(count)]
    page = {"object": "list", "data": items, "has_more": False}
    doc = {"object": "subscription", "created": NOW, "status": "active", "discounts": []}
    api.control.put({"id": "cus_1", "object": "customer", "created": NOW})
    api.control.put({**doc, "id": "sub_1", "customer": "cus_1", "items": page, **fields})
    return "sub_1"


def test_a_preview_is_computed_and_its_lines_can_be_paged(api: Any) -> None:
    subscribed(api, 12)
    preview = api.post("/v1/invoices/create_preview", {"subscription": "sub_1"})
    assert preview["id"].startswith("upcoming_in_")
    assert (preview["total"], preview["customer"]) == (12 * 1800, "cus_1")
    assert preview["parent"]["subscription_details"]["subscription"] == "sub_1"
    page = preview["lines"]
    assert (len(page["data"]), page["has_more"]) == (10, True)
    rest = api.get(page["url"], {"starting_after": page["data"][-1]["id"]})
    assert (len(rest["data"]), rest["has_more"]) == (2, False)
    assert all(line["id"].startswith("il_tmp_") for line in page["data"] + rest["data"])
    api.refused(404, "GET", f"/v1/invoices/{preview['id']}")
    assert api.ids("/v1/invoices") == api.event_types() == []
    again = api.post("/v1/invoices/create_preview", {"customer": "cus_1"})
    assert again["id"] != preview["id"]


@pytest.mark.parametrize(
    "fields", [{"status": "canceled"}, {"cancel_at_period_end": True}, {"customer": "cus_2"}]
)
@pytest.mark.parametrize("by", ["customer", "subscription"])
def test_nothing_upcoming_is_an_error_with_a_code(
    api: Any, fields: dict[str, Any], by: str
) -> None:
    subscribed(api, **fields)
    if by == "subscription" and "customer" in fields:
        return
    data = {by: "sub_1" if by == "subscription" else "cus_1"}
    error = api.refused(404, "POST", "/v1/invoices/create_preview", data=data)
    assert error["code"] == "invoice_upcoming_none"


def test_a_replayed_preview_is_stale(api: Any) -> None:
    subscribed(api)
    call = {"data": {"subscription": "sub_1"}, "idempotency_key": "k"}
    first = api.call("POST", "/v1/invoices/create_preview", **call).json()
    subscribed(api, 3)
    assert api.call("POST", "/v1/invoices/create_preview", **call).json() == first
    fresh = api.post("/v1/invoices/create_preview", {"subscription": "sub_1"})
    assert fresh["total"] == 3 * first["total"]


def test_upcoming_invoices_have_no_id_in_the_versions_that_get_them(api: Any) -> None:
    subscribed(api, 12)
    found = api.get("/v1/invoices/upcoming", {"customer": "cus_1"}, **ACACIA)
    assert "id" not in found
    assert found["subscription"] == "sub_1"
    lines = api.list_all("/v1/invoices/upcoming/lines", {"customer": "cus_1"}, **ACACIA)
    assert len({line["id"] for line in lines}) == 12
    assert "Unrecognized" in api.refused(404, "GET", "/v1/invoices/upcoming/lines")["message"]


def test_discounts_are_ids_until_expanded_and_end_with_an_event(api: Any) -> None:
    api.post("/v1/coupons", {"id": "TIDE", "percent_off": 10})
    subscribed(api)
    doc = api.post("/v1/subscriptions/sub_1", {"discounts[0][coupon]": "TIDE"})
    whole = api.get("/v1/subscriptions/sub_1", {"expand[]": "discounts"})["discounts"][0]
    assert doc["discounts"] == [whole["id"]]
    assert (whole["source"], whole["subscription"]) == (
        {"coupon": "TIDE", "type": "coupon"},
        "sub_1",
    )
    assert "customer.discount.created" in api.event_types()
    left = api.call("DELETE", "/v1/subscriptions/sub_1/discount").json()
    assert (left["id"], left["deleted"]) == (whole["id"], True)
    event = api.get("/v1/events")["data"][0]
    assert (event["type"], event["data"]["object"]) == ("customer.discount.deleted", whole)


def test_a_customers_discount_has_no_id_in_old_versions(api: Any) -> None:
    source = {"coupon": "TIDE", "type": "coupon"}
    discount = {"id": "di_1", "object": "discount", "customer": "c", "source": source, "start": NOW}
    api.control.put({"id": "c", "object": "customer", "created": NOW, "discount": discount})
    assert api.get("/v1/customers/c/discount") == discount
    assert "id" not in api.get("/v1/customers/c/discount", stripe_version="2020-03-02")
    api.call("DELETE", "/v1/customers/c/discount")
    assert api.refused(404, "GET", "/v1/customers/c/discount")["code"] == "resource_missing"


def test_portal_sessions_exist_in_their_answer_and_their_event_only(api: Any) -> None:
    api.control.put({"id": "cus_1", "object": "customer", "created": NOW})
    made = api.post("/v1/billing_portal/sessions", {"customer": "cus_1"})
    assert made["customer"] == "cus_1"
    event = api.get("/v1/events")["data"][0]
    assert event["type"] == "billing_portal.session.created"
    assert event["data"]["object"]["id"] == made["id"]
    for path in ("/v1/billing_portal/sessions", f"/v1/billing_portal/sessions/{made['id']}"):
        assert "Unrecognized" in api.refused(404, "GET", path)["message"]


def test_mandate_notifications_are_in_events_only(api: Any) -> None:
    note = {"id": "srcmn_1", "object": "source_mandate_notification", "created": NOW}
    mandate = {"id": "mandate_1", "object": "mandate", "status": "active"}
    api.control.put(note, mandate, emit=True)
    api.control.put({**mandate, "status": "inactive"}, emit=True)
    assert api.event_types() == ["mandate.updated", "source.mandate_notification"]
    assert api.get("/v1/mandates/mandate_1")["status"] == "inactive"


def test_tokens_are_created_and_retrieved_and_become_sources(api: Any) -> None:
    card = {"card[number]": "4242424242424242", "card[exp_month]": 8, "card[exp_year]": 2031}
    token = api.post("/v1/tokens", {**card, "card[cvc]": "123"})
    assert (token["type"], token["card"]["last4"]) == ("card", "4242")
    assert api.get(f"/v1/tokens/{token['id']}") == token
    assert "Unrecognized" in api.refused(404, "GET", "/v1/tokens")["message"]
    assert api.event_types() == []


def test_usage_records_are_created_in_old_versions_only(api: Any) -> None:
    subscribed(api)
    price = {"object": "price", "recurring": {"usage_type": "metered", "meter": None}}
    items = [{"id": "si_m", "object": "subscription_item", "price": price}]
    doc = {"id": "sub_2", "object": "subscription", "created": NOW, "status": "active"}
    api.control.put({**doc, "items": {"object": "list", "data": items, "has_more": False}})
    path = "/v1/subscription_items/si_m/usage_records"
    made = api.post(path, {"quantity": 5, "timestamp": NOW}, **ACACIA)
    assert (made["quantity"], made["subscription_item"]) == (5, "si_m")
    assert api.control.objects("usage_record") == [made]
    assert "Unrecognized" in api.refused(404, "POST", path)["message"]
    other = path.replace("si_m", "si_0")
    api.refused(400, "POST", other, data={"quantity": 1}, **ACACIA)


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/v1/accounts/a/persons", "rak_accounts_kyc_basic_read"),
        ("/v1/accounts/a/capabilities", "rak_connected_account_read"),
        ("/v1/customers/c/sources", "rak_customer_read"),
        ("/v1/customers/c/balance_transactions", "rak_customer_read"),
        ("/v1/invoices/i/lines", "rak_invoice_read"),
        ("/v1/subscription_items", "rak_subscription_read"),
        ("/v1/setup_attempts", "rak_setup_intent_read"),
    ],
)
def test_lists_under_a_parent_need_a_permission(api: Any, path: str, permission: str) -> None:
    api.control.add_key("rk_test_none", permissions=["rak_event_read"])
    error = api.refused(403, "GET", path, key="rk_test_none")
    assert f"'{permission}'" in error["message"]
    preview = api.refused(403, "POST", "/v1/invoices/create_preview", key="rk_test_none")
    assert "'rak_invoice_write'" in preview["message"]


def test_a_platform_with_many_children_is_made_at_once(api: Any) -> None:
    made = api.control.platform(share=0.05)
    assert (made["customer"], made["subscription"], made["account"]) == (500, 250, 10)
    lengths = {len(doc["lines"]["data"]) for doc in api.control.objects("invoice")}
    assert {25, 120} <= lengths
    assert {len(doc["items"]["data"]) for doc in api.control.objects("subscription")} == {12}
    assert len(api.list_all("/v1/accounts")) == 10
    assert api.get("/v1/accounts")["data"][0]["capabilities"]
