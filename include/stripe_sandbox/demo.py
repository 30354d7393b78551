"""The demo: a small shop for boats, two years old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.generate import make_id
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.seeding import Plan, seed
from stripe_sandbox.state import Mode, State
from stripe_sandbox.store import AccountStore, Doc

DEMO: Mapping[str, int] = {
    "test_helpers.test_clock": 1,
    "product": 24,
    "price": 48,
    "plan": 24,
    "coupon": 12,
    "promotion_code": 18,
    "customer": 300,
    "tax_id": 20,
    "payment_method": 260,
    "subscription": 220,
    "subscription_schedule": 16,
    "invoice": 420,
    "invoiceitem": 60,
    "payment_intent": 330,
    "charge": 360,
    "refund": 40,
    "dispute": 8,
    "review": 9,
    "setup_intent": 60,
    "checkout.session": 90,
    "credit_note": 18,
    "transfer": 24,
    "payout": 52,
    "balance_transaction": 460,
    "invoice_payment": 120,
    "issuing.cardholder": 12,
    "issuing.card": 20,
    "issuing.authorization": 60,
    "issuing.transaction": 50,
    "issuing.dispute": 4,
    "order": 14,
    "order_return": 5,
    "recipient": 6,
    "bitcoin_receiver": 4,
    "bitcoin_transaction": 4,
}
"""A small shop, in the order in which objects refer to each other."""


_MONTH = 30 * 86_400
_LONG = 14
"""Every so-manyth invoice has more lines than its parent shows."""


def fill(state: State, mode: Mode) -> dict[str, int]:
    """Make the shop, with the Stripe events of its last month. Returns objects per collection."""
    made = seed(state, mode, Plan(DEMO, spread="growing"))
    store = mode.store
    _join_subscriptions(store)
    _join_invoices(store)
    _join_money(store)
    horizon = mode.log.horizon()
    recent = [
        (entry.created, kind, entry)
        for name in DEMO
        for entry in store[name].order
        for kind in RESOURCES[name].events.created
        if entry.created > horizon
    ]
    for created, kind, entry in sorted(recent, key=lambda triple: triple[0]):
        mode.log.write(kind, entry.view(), created=created)
    return made


def _join_subscriptions(store: AccountStore) -> None:
    """Subscriptions are for prices that exist."""
    prices = [e.view() for e in store["price"].order if e.doc().get("type") == "recurring"]
    plans = [entry.view() for entry in store["plan"].order]
    for number, entry in enumerate(list(store["subscription"].order)):
        doc = entry.doc()
        for item in doc["items"]["data"]:
            item["price"] = prices[number % len(prices)]
            item["plan"] = plans[number % len(plans)]
            item["subscription"] = doc["id"]
        if doc["status"] != "canceled":
            doc.update(canceled_at=None, ended_at=None, cancel_at=None)
        doc["items"]["url"] = f"/v1/subscription_items?subscription={doc['id']}"
        store["subscription"].put(doc)


def _join_invoices(store: AccountStore) -> None:
    """Invoices belong to subscriptions, and add up."""
    subscriptions = [entry.doc() for entry in store["subscription"].order]
    for number, entry in enumerate(list(store["invoice"].order)):
        doc = entry.doc()
        subscription = subscriptions[number % len(subscriptions)]
        count = 11 + number % 20 if number % _LONG == 0 else 1 + number % 3
        lines = [_line(doc, subscription, at) for at in range(count)]
        total = sum(line["amount"] for line in lines)
        paid = total if doc["status"] == "paid" else 0
        doc.update(
            customer=subscription["customer"],
            amount_due=total,
            amount_paid=paid,
            amount_remaining=total - paid,
            subtotal=total,
            total=total,
            parent={
                "quote_details": None,
                "subscription_details": {"metadata": {}, "subscription": subscription["id"]},
                "type": "subscription_details",
            },
        )
        doc["lines"] = {**doc["lines"], "data": lines}
        store["invoice"].put(doc)


def _line(invoice: Doc, subscription: Doc, at: int) -> Doc:
    template: dict[str, Any] = invoice["lines"]["data"][0]
    item = subscription["items"]["data"][0]
    amount = item["price"].get("unit_amount") or 0
    return {
        **template,
        "id": make_id("line_item", 0, f"{invoice['id']}/{at}"),
        "amount": amount,
        "subtotal": amount,
        "currency": invoice["currency"],
        "description": f"1 x boat service {at + 1}",
        "invoice": invoice["id"],
        "period": {"start": invoice["created"], "end": invoice["created"] + _MONTH},
        "quantity": 1,
        "subscription": subscription["id"],
    }


def _join_money(store: AccountStore) -> None:
    """Balance transactions belong to charges, and charges to payment intents."""
    charges = [entry.doc() for entry in store["charge"].order]
    transactions = [entry.doc() for entry in store["balance_transaction"].order]
    intents = [entry.doc() for entry in store["payment_intent"].order]
    for charge, transaction in zip(charges, transactions, strict=False):
        transaction.update(
            source=charge["id"],
            amount=charge["amount"],
            net=charge["amount"] - transaction["fee"],
            created=charge["created"],
            type="charge",
        )
        charge["balance_transaction"] = transaction["id"]
        store["balance_transaction"].put(transaction)
    for charge, intent in zip(charges, intents, strict=False):
        charge.update(payment_intent=intent["id"], customer=intent["customer"])
        intent.update(latest_charge=charge["id"], amount=charge["amount"])
        store["payment_intent"].put(intent)
    for charge in charges:
        store["charge"].put(charge)
