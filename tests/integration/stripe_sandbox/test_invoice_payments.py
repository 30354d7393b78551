"""Payments of invoices: made when an invoice is finalized, paid or canceled together with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integration.stripe_sandbox.conftest import NOW

DUE = 1_500


@pytest.fixture
def draft(api: Any) -> str:
    """A draft of 15.00 USD."""
    invoice: str = api.post("/v1/invoices", {"currency": "usd"})["id"]
    api.control.mutate("invoice", invoice, {"amount_due": DUE, "amount_remaining": DUE})
    return invoice


@pytest.fixture
def invoice(api: Any, draft: str) -> str:
    """The same, finalized."""
    api.post(f"/v1/invoices/{draft}/finalize")
    return draft


def payment_of(api: Any, invoice: str) -> dict[str, Any]:
    [found] = api.get("/v1/invoice_payments", {"invoice": invoice})["data"]
    return dict(found)


def intent_of(api: Any, payment: dict[str, Any]) -> dict[str, Any]:
    assert payment["payment"]["type"] == "payment_intent"
    return dict(api.get(f"/v1/payment_intents/{payment['payment']['payment_intent']}"))


def test_a_finalized_invoice_has_an_open_payment(api: Any, invoice: str) -> None:
    payment = payment_of(api, invoice)
    assert (payment["status"], payment["is_default"]) == ("open", True)
    assert (payment["amount_requested"], payment["amount_paid"]) == (DUE, None)
    intent = intent_of(api, payment)
    assert (intent["status"], intent["amount"]) == ("requires_payment_method", DUE)
    assert not [kind for kind in api.event_types() if kind.startswith("invoice_payment.")]
    expanded = api.get(f"/v1/invoices/{invoice}", {"expand[]": "payments"})["payments"]
    assert expanded["data"] == [payment]


def test_nothing_is_asked_for_an_invoice_of_nothing(api: Any) -> None:
    free = api.post("/v1/invoices", {"currency": "usd"})["id"]
    api.post(f"/v1/invoices/{free}/finalize")
    assert api.post(f"/v1/invoices/{free}/pay")["status"] == "paid"
    assert api.ids("/v1/invoice_payments") == api.ids("/v1/payment_intents") == []


@pytest.mark.parametrize("finalized", [True, False])
def test_paying_an_invoice_pays_its_payment(api: Any, draft: str, finalized: bool) -> None:
    if finalized:
        api.post(f"/v1/invoices/{draft}/finalize")
    api.post(f"/v1/invoices/{draft}/pay", {"payment_method": "pm_card_visa"})
    payment = payment_of(api, draft)
    assert (payment["status"], payment["amount_paid"]) == ("paid", DUE)
    assert payment["status_transitions"] == {"canceled_at": None, "paid_at": NOW}
    intent = intent_of(api, payment)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", DUE)
    assert api.get(f"/v1/charges/{intent['latest_charge']}")["amount"] == DUE
    kinds = api.event_types()[::-1]
    assert kinds.index("charge.succeeded") < kinds.index("invoice_payment.paid")
    assert kinds.index("invoice_payment.paid") < kinds.index("invoice.paid")
    old = api.get(f"/v1/invoices/{draft}", stripe_version="2025-02-24.acacia")
    assert old["payment_intent"] == intent["id"]


def test_a_declined_payment_stays_open_and_keeps_its_intent(api: Any, invoice: str) -> None:
    before = payment_of(api, invoice)
    card = {"payment_method": "pm_card_chargeDeclined"}
    error = api.refused(402, "POST", f"/v1/invoices/{invoice}/pay", data=card)
    assert error["payment_intent"]["id"] == before["payment"]["payment_intent"]
    assert payment_of(api, invoice) == before
    api.post(f"/v1/invoices/{invoice}/pay", {"payment_method": "pm_card_visa"})
    assert payment_of(api, invoice)["status"] == "paid"
    assert intent_of(api, before)["status"] == "succeeded"


def _void(api: Any, invoice: str) -> None:
    api.post(f"/v1/invoices/{invoice}/void")


def _pay_elsewhere(api: Any, invoice: str) -> None:
    api.post(f"/v1/invoices/{invoice}/pay", {"paid_out_of_band": "true"})


@pytest.mark.parametrize("end", [_void, _pay_elsewhere])
def test_a_payment_that_is_not_needed_is_canceled_without_an_event(
    api: Any, invoice: str, end: Callable[[Any, str], None]
) -> None:
    end(api, invoice)
    payment = payment_of(api, invoice)
    assert (payment["status"], payment["amount_paid"]) == ("canceled", None)
    assert payment["status_transitions"] == {"canceled_at": NOW, "paid_at": None}
    assert intent_of(api, payment)["status"] == "canceled"
    assert not [kind for kind in api.event_types() if kind.startswith("invoice_payment.")]


def test_payments_are_listed_by_what_they_are_of(api: Any, invoice: str) -> None:
    payment = payment_of(api, invoice)
    intent = payment["payment"]["payment_intent"]
    by_intent = {"payment[type]": "payment_intent", "payment[payment_intent]": intent}
    assert api.ids("/v1/invoice_payments", by_intent) == [payment["id"]]
    assert api.ids("/v1/invoice_payments", {"status": "paid"}) == []
    assert api.ids("/v1/invoice_payments", {"payment[payment_intent]": "pi_other"}) == []


def test_each_payment_of_the_demo_has_the_amount_of_its_invoice(shop: Any) -> None:
    invoices = {each["id"]: each for each in shop.control.objects("invoice")}
    payments = shop.control.objects("invoice_payment")
    assert {each["status"] for each in payments} == {"paid", "open", "canceled"}
    for payment in payments:
        of = invoices[payment["invoice"]]
        intent = intent_of(shop, payment)
        assert payment["amount_requested"] == intent["amount"] == of["total"]
        assert intent["customer"] == of["customer"]
        assert (payment["status"] == "paid") is (of["status"] == "paid")
