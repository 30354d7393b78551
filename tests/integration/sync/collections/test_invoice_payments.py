"""Which payment paid which invoice, as the sandbox's invoices are paid."""

from __future__ import annotations

from typing import Any

from sync_harness import SyncHarness

OPEN = "SELECT payload ->> 'status' FROM stripe_raw.records WHERE upstream_id = %s"


def subscribed(harness: SyncHarness) -> Any:
    """The paid first invoice of a subscription."""
    api = harness.stripe.v1
    customer = api.customers.create({"name": "Ada"}).id
    product = api.products.create({"name": "Rope"}).id
    price = api.prices.create(
        {
            "currency": "usd",
            "unit_amount": 700,
            "product": product,
            "recurring": {"interval": "month"},
        }
    ).id
    made = api.subscriptions.create({"customer": customer, "items": [{"price": price}]})
    return api.invoices.retrieve(str(made.latest_invoice))


def test_polling_stores_the_payment_of_a_paid_invoice(harness: SyncHarness) -> None:
    harness.backfill("customer")
    harness.poll()
    invoice = subscribed(harness)
    harness.poll()
    [(amount, charged, charge_status)] = harness.sql(
        "SELECT (p.payload ->> 'amount_paid')::int, (c.payload ->> 'amount')::int,"
        " c.payload ->> 'status' FROM stripe_raw.records p"
        " JOIN stripe_raw.records i ON i.collection_id = 'stripe:payment_intent'"
        " AND i.upstream_id = p.payload -> 'payment' ->> 'payment_intent'"
        " JOIN stripe_raw.records c ON c.collection_id = 'stripe:charge'"
        " AND c.upstream_id = i.payload ->> 'latest_charge'"
        " WHERE p.collection_id = 'stripe:invoice_payment' AND p.payload ->> 'invoice' = %s",
        invoice.id,
    )
    assert (amount, charged, charge_status) == (invoice.total, invoice.total, "succeeded")
    [(kind, names_event)] = harness.sql(
        "SELECT event_type, stripe_event_id IS NOT NULL FROM stripe_raw.events"
        " WHERE collection_id = 'stripe:invoice_payment'"
    )
    assert (kind, names_event) == ("created", True)


def test_an_open_payment_that_is_known_becomes_paid(harness: SyncHarness) -> None:
    api = harness.stripe.v1
    invoice = api.invoices.create({"currency": "usd"}).id
    harness.sandbox.control.mutate("invoice", invoice, {"amount_due": 500})
    api.invoices.finalize_invoice(invoice)
    [payment] = api.invoice_payments.list({"invoice": invoice}).data
    harness.backfill("invoice_payment")
    assert harness.sql(OPEN, payment.id) == [("open",)]
    harness.poll()
    api.invoices.pay(invoice, {"payment_method": "pm_card_visa"})
    harness.poll()
    assert harness.sql(OPEN, payment.id) == [("paid",)]
    [*_, newest] = harness.events(payment.id)
    assert (newest["event_type"], newest["changes"]["status"]) == ("updated", "open")
