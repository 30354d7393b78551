"""Payments of invoices: a payment intent and an invoice payment for each invoice that asks for one.

Stripe makes both when an invoice is finalized. The invoice payment follows the payment intent; only
``invoice_payment.paid`` is a Stripe event, so an open or a canceled one raises none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.payments import attempts
from stripe_sandbox.writes.payments.cards import decline_of
from stripe_sandbox.writes.write_context import WriteContext


def request_payment(context: WriteContext, invoice: Doc, _: Mapping[str, Any]) -> None:
    """Make the payment intent and the open payment of an invoice that is finalized."""
    if (invoice.get("amount_due") or 0) <= 0:
        return
    intent = _new_intent(context, invoice)
    store = context.mode.store
    payment_id = context.state.new_id("inpay_")
    payment = blank_object("invoice_payment", payment_id, context.now(), store)
    payment.update(
        invoice=invoice["id"], amount_requested=intent["amount"], currency=intent["currency"],
        is_default=True, status="open", payment=paid_through(intent),
    )  # fmt: skip
    store["invoice_payment"].put(payment)


def pay_invoice(context: WriteContext, invoice: Doc, given: Mapping[str, Any]) -> None:
    """Pay an invoice.

    Raises:
        ApiError: 402, the card is declined; the invoice stays open.
    """
    due = invoice.get("amount_due") or 0
    if given.get("paid_out_of_band"):
        cancel_payments(context, invoice, given)
        _set_paid(invoice, due)
        return
    card = given.get("payment_method") or invoice.get("default_payment_method")
    decline = decline_of(context, card)
    if decline is not None:
        _log_failure(context, invoice)
    payment = _open_payment(context, invoice)
    if payment is None and due > 0:
        request_payment(context, invoice, given)
        payment = _open_payment(context, invoice)
    intent = _intent_of(context, payment)
    if intent is None and decline is not None:
        intent = _new_intent(context, invoice)
    if intent is not None:
        intent["payment_method"] = card
        attempts.pay(context, intent, decline)
    if payment is not None:
        payment.update(status="paid", amount_paid=payment["amount_requested"])
        payment["status_transitions"] = {"canceled_at": None, "paid_at": context.now()}
        view = context.mode.store["invoice_payment"].put(payment).default_view()
        context.log("invoice_payment.paid", view)
    _set_paid(invoice, due)


def cancel_payments(context: WriteContext, invoice: Doc, _: Mapping[str, Any]) -> None:
    """Cancel the open payment of an invoice that is void or paid out of band."""
    payment = _open_payment(context, invoice)
    if payment is None:
        return
    store = context.mode.store
    payment["status"] = "canceled"
    payment["status_transitions"] = {"canceled_at": context.now(), "paid_at": None}
    store["invoice_payment"].put(payment)
    intent = _intent_of(context, payment)
    if intent is not None:
        intent.update(status="canceled", canceled_at=context.now())
        context.log("payment_intent.canceled", store["payment_intent"].put(intent).default_view())


def paid_through(intent: Doc) -> Doc:
    """The ``payment`` of an invoice payment that has a payment intent."""
    return {"payment_intent": intent["id"], "type": "payment_intent"}


def _set_paid(invoice: Doc, due: int) -> None:
    invoice.update(status="paid", amount_paid=due, amount_remaining=0, attempted=True)


def _log_failure(context: WriteContext, invoice: Doc) -> None:
    invoices = context.mode.store["invoice"]
    before = invoices.by_id[str(invoice["id"])].default_view()
    count = (invoice.get("attempt_count") or 0) + 1
    invoice.update(attempted=True, attempt_count=count, status="open")
    view = invoices.put(invoice).default_view()
    context.log("invoice.payment_failed", view)
    context.log("invoice.updated", view, before)


def _new_intent(context: WriteContext, invoice: Doc) -> Doc:
    store = context.mode.store
    intent = blank_object("payment_intent", context.state.new_id("pi_"), context.now(), store)
    intent.update(amount=invoice.get("amount_due") or 0, currency=invoice.get("currency"))
    intent.update(customer=invoice.get("customer"), status="requires_payment_method")
    attempts.prepare_created(context, intent, {})
    context.log("payment_intent.created", store["payment_intent"].put(intent).default_view())
    return intent


def _open_payment(context: WriteContext, invoice: Doc) -> Doc | None:
    found = context.mode.store["invoice_payment"].index("invoice", invoice["id"])
    payments = (stored.doc() for stored in found)
    return next((payment for payment in payments if payment["status"] == "open"), None)


def _intent_of(context: WriteContext, payment: Doc | None) -> Doc | None:
    name = (payment or {}).get("payment", {}).get("payment_intent")
    stored = context.mode.store["payment_intent"].by_id.get(str(name))
    return None if stored is None else stored.doc()
