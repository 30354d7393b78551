"""The demo's payments of invoices: one for each finalized invoice that has a payment intent."""

from __future__ import annotations

from collections.abc import Iterator

from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.payments.invoice_payments import paid_through

_INTENT_STATUS = {"paid": "succeeded", "open": "requires_payment_method", "void": "canceled"}
"""Status of the payment intent of an invoice; other invoices have no payment here."""

_PAYMENT_STATUS = {"paid": "paid", "open": "open", "void": "canceled"}


def fill(store: AccountStore) -> None:
    """Give invoices payment intents of their amount, as far as there are any."""
    intents = {status: _intents(store, status) for status in _INTENT_STATUS.values()}
    for stored in list(store["invoice"].order):
        invoice = stored.doc()
        if invoice["status"] not in _INTENT_STATUS or not invoice["total"]:
            continue
        intent = next(intents[_INTENT_STATUS[invoice["status"]]], None)
        if intent is not None:
            _pay(store, invoice, intent)


def _intents(store: AccountStore, status: str) -> Iterator[Doc]:
    """Payment intents with a status, and, if that is success, with a charge that succeeded."""
    charges = store["charge"].by_id
    for stored in list(store["payment_intent"].order):
        intent = stored.doc()
        charge = charges[intent["latest_charge"]].doc() if intent["latest_charge"] else {}
        if intent["status"] == status and charge.get("status", "succeeded") == "succeeded":
            yield intent


def _pay(store: AccountStore, invoice: Doc, intent: Doc) -> None:
    total, paid = invoice["total"], invoice["status"] == "paid"
    intent.update(amount=total, currency=invoice["currency"], customer=invoice["customer"])
    if paid:
        intent["amount_received"] = total
        _set_charged(store, store["charge"].by_id[intent["latest_charge"]].doc(), intent)
    store["payment_intent"].put(intent)
    at = invoice["created"]
    payment = blank_object(
        "invoice_payment", make_id("invoice_payment", 0, invoice["id"]), at, store
    )
    payment.update(
        invoice=invoice["id"], amount_requested=total, amount_paid=total if paid else None,
        currency=invoice["currency"], is_default=True, payment=paid_through(intent),
        status=_PAYMENT_STATUS[invoice["status"]],
        status_transitions={
            "canceled_at": at if invoice["status"] == "void" else None,
            "paid_at": at if paid else None,
        },
    )  # fmt: skip
    store["invoice_payment"].put(payment)


def _set_charged(store: AccountStore, charge: Doc, intent: Doc) -> None:
    charge.update(amount=intent["amount"], amount_captured=intent["amount"])
    charge["customer"] = intent["customer"]
    store["charge"].put(charge)
    stored = store["balance_transaction"].by_id.get(str(charge["balance_transaction"]))
    if stored is not None:
        transaction = stored.doc()
        transaction.update(amount=charge["amount"], net=charge["amount"] - transaction["fee"])
        store["balance_transaction"].put(transaction)
