"""The first invoice of a subscription: Stripe makes and pays it in the same request."""

from __future__ import annotations

from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.payments.invoice_payments import pay_invoice, request_payment
from stripe_sandbox.writes.write_context import WriteContext


def prepare_first_invoice(context: WriteContext, subscription: Doc) -> None:
    """Store the first invoice of a new subscription with prices; the subscription names it."""
    items = [item for item in subscription["items"]["data"] if item.get("price")]
    if not items:
        return
    store, now = context.mode.store, context.now()
    invoice = blank_object("invoice", context.state.new_id("in_"), now, store)
    lines = [_line(context, invoice, item) for item in items]
    total = sum(line["amount"] for line in lines)
    invoice.update(
        customer=subscription.get("customer"), currency=subscription.get("currency"),
        billing_reason="subscription_create", status="draft", total=total, subtotal=total,
        amount_due=total, amount_paid=0, amount_remaining=total,
        parent={
            "quote_details": None, "type": "subscription_details",
            "subscription_details": {"metadata": {}, "subscription": subscription["id"]},
        },
    )  # fmt: skip
    invoice["lines"] = {**invoice["lines"], "data": lines}
    store["invoice"].put(invoice)
    subscription["latest_invoice"] = invoice["id"]


def pay_first_invoice(context: WriteContext, subscription: Doc) -> None:
    """Finalize and pay the first invoice, unless it is sent; write its Stripe events."""
    invoices = context.mode.store["invoice"]
    stored = invoices.by_id.get(str(subscription.get("latest_invoice")))
    if stored is None:
        return
    context.log("invoice.created", stored.default_view())
    if subscription.get("collection_method") == "send_invoice":
        return
    invoice = stored.doc()
    for kind, status, step in _STEPS:
        step(context, invoice, {})
        invoice["status"] = status
        context.log(kind, invoices.put(invoice).default_view())


_STEPS = (
    ("invoice.finalized", "open", request_payment),
    ("invoice.paid", "paid", pay_invoice),
)


def _line(context: WriteContext, invoice: Doc, item: Doc) -> Doc:
    store, quantity = context.mode.store, item.get("quantity") or 1
    line_id = make_id("line_item", 0, f"{invoice['id']}/{item['id']}")
    line = blank_object("line_item", line_id, context.now(), store)
    amount = (item["price"].get("unit_amount") or 0) * quantity
    line.update(amount=amount, subtotal=amount, quantity=quantity, invoice=invoice["id"])
    line["currency"] = item["price"].get("currency") or "usd"
    line["parent"] = {
        "invoice_item_details": None, "type": "subscription_item_details",
        "subscription_item_details": {
            "invoice_item": None, "proration": False, "proration_details": None,
            "subscription": item.get("subscription"), "subscription_item": item["id"],
        },
    }  # fmt: skip
    return line
