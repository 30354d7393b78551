"""Attempts to charge or to set up a card: what they make when they succeed and when they fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import bad_request
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.payments.cards import Decline, decline_of
from stripe_sandbox.writes.write_context import WriteContext

PAYING = (
    "POST /v1/charges",
    "POST /v1/invoices/{invoice}/pay",
    "POST /v1/payment_intents",
    "POST /v1/payment_intents/{intent}/confirm",
    "POST /v1/setup_intents",
    "POST /v1/setup_intents/{intent}/confirm",
)
"""Routes that charge or set up a card."""


def prepare_created(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    """Set the fields of a new intent or charge before it is stored."""
    kind = doc["object"]
    if kind in ("payment_intent", "setup_intent"):
        doc["client_secret"] = f"{doc['id']}_secret_{context.state.new_id('', 25)}"
        if doc.get("payment_method"):
            doc["status"] = "requires_confirmation"
    if kind == "charge":
        captured = given.get("capture") is not False
        doc.update(captured=captured, amount_captured=doc["amount"] if captured else 0)
        decline = decline_of(context, given.get("source"))
        if decline is not None:
            _fail_charge(doc, decline)


def finish_created(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    """Attempt what the creation asks for, after the new object was stored.

    Raises:
        ApiError: 402, the card is declined; the object stays.
    """
    kind = doc["object"]
    if kind == "charge" and doc["status"] == "failed":
        decline = decline_of(context, given.get("source"))
        assert decline is not None  # noqa: S101 - it has failed the charge
        raise decline.error(charge=doc["id"])
    if kind in ("payment_intent", "setup_intent") and (given.get("confirm") or context.decline):
        confirm(context, doc)


def confirm(context: WriteContext, doc: Doc) -> None:
    """Confirm a stored payment intent or setup intent.

    Raises:
        ApiError: 400 it has no payment method; 402 the card is declined.
    """
    kind = str(doc["object"])
    if not doc.get("payment_method") and kind == "payment_intent" and not context.decline:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. To "
            "confirm the PaymentIntent with a payment method, provide one."
        )
        raise bad_request(message, code="payment_intent_unexpected_state")
    decline = decline_of(context, doc.get("payment_method"))
    if kind == "setup_intent":
        _set_up(context, doc, decline)
    else:
        pay(context, doc, decline)


def capture(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    """Capture a payment intent and its charge."""
    amount = given.get("amount_to_capture") or doc["amount_capturable"] or doc["amount"]
    doc.update(status="succeeded", amount_received=amount, amount_capturable=0)
    stored = context.mode.store["charge"].by_id.get(str(doc.get("latest_charge")))
    if stored is not None:
        charge, before = stored.doc(), stored.default_view()
        charge.update(captured=True, amount_captured=amount)
        view = context.mode.store["charge"].put(charge).default_view()
        context.log("charge.captured", view)
        context.log("charge.updated", view, before)


def pay(context: WriteContext, doc: Doc, decline: Decline | None) -> None:
    """Charge the payment method of a payment intent.

    Raises:
        ApiError: 402, the card is declined; intent and charge are stored.
    """
    charge = _charge_of(context, doc)
    doc["latest_charge"] = charge["id"]
    held = doc.get("capture_method") == "manual"
    if decline is not None:
        _fail_charge(charge, decline)
        fields = {**decline.fields, "charge": charge["id"], **_method_of(context, doc)}
        doc.update(status="requires_payment_method", last_payment_error=fields)
        doc["payment_method"] = None
        event = "payment_intent.payment_failed"
    elif held:
        charge.update(captured=False, amount_captured=0)
        doc.update(status="requires_capture", amount_capturable=doc["amount"])
        event = "payment_intent.amount_capturable_updated"
    else:
        doc.update(status="succeeded", amount_received=doc["amount"], last_payment_error=None)
        event = "payment_intent.succeeded"
    store = context.mode.store
    name = "charge.failed" if decline else "charge.succeeded"
    context.log(name, store["charge"].put(charge).default_view())
    view = store["payment_intent"].put(doc).default_view()
    context.log(event, view)
    if decline is not None:
        raise decline.error({"payment_intent": view, **_method(doc)}, charge=charge["id"])


def _set_up(context: WriteContext, doc: Doc, decline: Decline | None) -> None:
    store = context.mode.store
    if decline is None:
        doc.update(status="succeeded", last_setup_error=None)
    else:
        fields = {**decline.fields, **_method_of(context, doc)}
        doc.update(status="requires_payment_method", last_setup_error=fields, payment_method=None)
    view = store["setup_intent"].put(doc).default_view()
    context.log("setup_intent.setup_failed" if decline else "setup_intent.succeeded", view)
    if decline is not None:
        raise decline.error({"setup_intent": view, **_method(doc)})


def _charge_of(context: WriteContext, intent: Doc) -> Doc:
    store = context.mode.store
    charge = blank_object("charge", context.state.new_id("ch_"), context.now(), store)
    shared = ("amount", "currency", "customer", "description", "payment_method", "metadata")
    charge.update({name: intent.get(name) for name in shared})
    charge.update(payment_intent=intent["id"], status="succeeded", paid=True, captured=True)
    charge["amount_captured"] = charge["amount"]
    return charge


def _fail_charge(charge: Doc, decline: Decline) -> None:
    fields = decline.fields
    charge.update(status="failed", paid=False, captured=False, amount_captured=0)
    charge.update(failure_code=fields["code"], failure_message=fields["message"])


def _method_of(context: WriteContext, intent: Doc) -> dict[str, Doc]:
    """The payment method of an intent, for its error; empty where it has none."""
    found = context.mode.store.find(("payment_method",), str(intent.get("payment_method")))
    return {"payment_method": found} if found else {}


def _method(intent: Doc) -> dict[str, Doc]:
    """The payment method that an intent's last error names."""
    error = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    return {"payment_method": error["payment_method"]} if "payment_method" in error else {}
