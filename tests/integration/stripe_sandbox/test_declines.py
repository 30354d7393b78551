"""Declined cards: by Stripe's test cards and by a fault; what exists afterwards."""

from __future__ import annotations

from typing import Any

import pytest

INTENT = {"amount": "500", "currency": "usd", "confirm": "true"}
REASONS = [
    ("chargeDeclined", "card_declined", "generic_decline"),
    ("chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("chargeDeclinedExpiredCard", "expired_card", None),
    ("chargeDeclinedProcessingError", "processing_error", None),
    ("chargeCustomerFail", "card_declined", "generic_decline"),
]


def types_of(api: Any, answer: Any) -> list[str]:
    events = api.get("/v1/events", {"limit": 100})["data"]
    wanted = answer.headers["request-id"]
    return [each["type"] for each in reversed(events) if each["request"]["id"] == wanted]


@pytest.mark.parametrize(("card", "code", "decline_code"), REASONS)
def test_an_intent_fails_with_a_test_card(
    api: Any, card: str, code: str, decline_code: str | None
) -> None:
    data = {**INTENT, "payment_method": f"pm_card_{card}"}
    answer = api.call("POST", "/v1/payment_intents", data=data)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (402, "card_error")
    assert (error["code"], error.get("decline_code")) == (code, decline_code)
    intent = error["payment_intent"]
    assert intent == api.get(f"/v1/payment_intents/{intent['id']}")
    assert (intent["status"], intent["latest_charge"]) == (
        "requires_payment_method", error["charge"],
    )  # fmt: skip
    assert intent["client_secret"].startswith(f"{intent['id']}_secret_")
    assert intent["last_payment_error"]["code"] == code
    assert api.get(f"/v1/charges/{error['charge']}")["status"] == "failed"
    assert types_of(api, answer) == [
        "payment_intent.created", "charge.failed", "payment_intent.payment_failed",
    ]  # fmt: skip


def test_an_intent_succeeds_and_writes_several_events(api: Any) -> None:
    data = {**INTENT, "payment_method": "pm_card_visa"}
    answer = api.call("POST", "/v1/payment_intents", data=data, idempotency_key="k")
    made = answer.json()
    assert (made["status"], made["amount_received"]) == ("succeeded", 500)
    assert made["payment_method"].startswith("pm_")
    assert api.get(f"/v1/payment_methods/{made['payment_method']}")["card"]["last4"] == "4242"
    assert types_of(api, answer) == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded",
    ]  # fmt: skip
    again = api.call("POST", "/v1/payment_intents", data=data, idempotency_key="k")
    assert again.json() == made
    assert len(api.ids("/v1/payment_intents")) == len(api.ids("/v1/charges")) == 1


def test_a_held_amount_is_captured(api: Any) -> None:
    data = {**INTENT, "payment_method": "pm_card_visa", "capture_method": "manual"}
    made = api.post("/v1/payment_intents", data)
    assert (made["status"], made["amount_capturable"]) == ("requires_capture", 500)
    path = f"/v1/payment_intents/{made['id']}/capture"
    done = api.post(path, {"amount_to_capture": "300"})
    assert (done["status"], done["amount_received"]) == ("succeeded", 300)
    assert api.get(f"/v1/charges/{made['latest_charge']}")["amount_captured"] == 300
    assert api.refused(400, "POST", path)["code"] == "payment_intent_unexpected_state"


def test_a_decline_can_be_mended(api: Any) -> None:
    data = {**INTENT, "payment_method": "pm_card_chargeDeclined"}
    error = api.refused(402, "POST", "/v1/payment_intents", data=data)
    path = f"/v1/payment_intents/{error['payment_intent']['id']}/confirm"
    api.refused(400, "POST", path)
    assert api.post(path, {"payment_method": "pm_card_visa"})["status"] == "succeeded"


def test_a_charge_fails_and_stays(api: Any) -> None:
    data = {"amount": "500", "currency": "usd", "source": "tok_chargeDeclinedInsufficientFunds"}
    answer = api.call("POST", "/v1/charges", data=data)
    error = answer.json()["error"]
    assert (answer.status_code, error["decline_code"]) == (402, "insufficient_funds")
    assert api.get(f"/v1/charges/{error['charge']}")["failure_code"] == "card_declined"
    assert types_of(api, answer) == ["charge.failed"]


def test_an_invoice_that_cannot_be_paid_stays_open(api: Any) -> None:
    invoice = api.post("/v1/invoices", {"currency": "usd"})["id"]
    api.post(f"/v1/invoices/{invoice}/finalize")
    data = {"payment_method": "pm_card_chargeDeclined"}
    answer = api.call("POST", f"/v1/invoices/{invoice}/pay", data=data)
    assert (answer.status_code, answer.json()["error"]["type"]) == (402, "card_error")
    assert api.get(f"/v1/invoices/{invoice}")["status"] == "open"
    assert "invoice.payment_failed" in types_of(api, answer)
    assert api.post(f"/v1/invoices/{invoice}/pay")["status"] == "paid"


def test_cards_are_checked_when_they_are_attached(api: Any) -> None:
    customer = api.post("/v1/customers")["id"]
    path = "/v1/payment_methods/pm_card_{}/attach"
    api.refused(402, "POST", path.format("chargeDeclined"), data={"customer": customer})
    made = api.post(path.format("chargeCustomerFail"), {"customer": customer})
    assert made["customer"] == customer
    assert api.ids(f"/v1/customers/{customer}/payment_methods") == [made["id"]]
    data = {**INTENT, "payment_method": made["id"], "customer": customer}
    api.refused(402, "POST", "/v1/payment_intents", data=data)
    api.refused(402, "POST", "/v1/customers", data={"source": "tok_chargeDeclined"})
    api.refused(400, "POST", path.format("moon"), data={"customer": customer})
    assert api.ids("/v1/customers") == [customer]


@pytest.mark.parametrize(
    ("path", "data", "noun"),
    [
        ("payment_intents", {"amount": "5", "currency": "usd"}, "payment_intent"),
        ("setup_intents", {}, "setup_intent"),
        ("charges", {"amount": "5", "currency": "usd"}, "charge"),
    ],
)
def test_a_fault_declines_the_next_payment(api: Any, path: str, data: Any, noun: str) -> None:
    api.control.fault("card_error", endpoint="POST *", next=1, code="lost_card")
    answer = api.call("POST", f"/v1/{path}", data=data, idempotency_key="k")
    error = answer.json()["error"]
    assert (answer.status_code, error["decline_code"]) == (402, "lost_card")
    made = error[noun] if noun == "charge" else error[noun]["id"]
    assert api.ids(f"/v1/{path}") == [made]
    again = api.call("POST", f"/v1/{path}", data=data, idempotency_key="k")
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")


def test_a_fault_elsewhere_makes_nothing(api: Any) -> None:
    api.control.fault("card_error", next=1)
    error = api.refused(402, "POST", "/v1/customers")
    assert (error["code"], error["decline_code"]) == ("card_declined", "generic_decline")
    assert api.ids("/v1/customers") == api.event_types() == []


def test_objects_in_an_error_have_the_version_of_the_request(api: Any) -> None:
    old = "2022-08-01"
    data = {**INTENT, "payment_method": "pm_card_chargeDeclined"}
    answer = api.call("POST", "/v1/payment_intents", data=data, stripe_version=old)
    intent = answer.json()["error"]["payment_intent"]
    assert intent == api.get(f"/v1/payment_intents/{intent['id']}", stripe_version=old)
    assert intent != api.get(f"/v1/payment_intents/{intent['id']}")
