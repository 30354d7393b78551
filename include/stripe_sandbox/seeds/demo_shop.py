"""The demo: a small shop for boats, two years old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.generation.object_generator import ListLengths
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.seeds import (
    demo_accounts,
    demo_invoice_payments,
    demo_payouts,
    demo_rare_objects,
)
from stripe_sandbox.seeds.bulk_seed import SeedPlan, seed
from stripe_sandbox.state.sandbox_state import Mode, State
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.child_relations import event_types_of

COUNTS: Mapping[str, int] = {
    "test_helpers.test_clock": 2,
    "account": 6,
    "file": 5,
    "tax_rate": 4,
    "shipping_rate": 3,
    "entitlements.feature": 6,
    "billing.meter": 3,
    "product": 24,
    "price": 48,
    "plan": 24,
    "coupon": 12,
    "promotion_code": 18,
    "customer": 60,
    "tax_id": 20,
    "bank_account": 30,
    "card": 44,
    "source": 16,
    "source_transaction": 14,
    "customer_balance_transaction": 40,
    "payment_method": 90,
    "subscription": 40,
    "subscription_schedule": 16,
    "invoice": 280,
    "invoiceitem": 40,
    "payment_intent": 220,
    "charge": 240,
    "refund": 40,
    "dispute": 8,
    "review": 9,
    "setup_intent": 30,
    "setup_attempt": 40,
    "mandate": 12,
    "checkout.session": 60,
    "payment_link": 8,
    "quote": 10,
    "credit_note": 18,
    "billing.credit_grant": 6,
    "radar.early_fraud_warning": 4,
    "reporting.report_run": 3,
    "topup": 4,
    "transfer": 24,
    "application_fee": 14,
    "payout": 52,
    "balance_transaction": 320,
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
    "platform_tax_fee": 2,
    "three_d_secure": 2,
    "connect_collection_transfer": 2,
    "reserve_transaction": 2,
    "tax_deducted_at_source": 2,
    "person": 9,
    "token": 3,
    "source_mandate_notification": 3,
}
"""Objects per collection; references only name collections further up."""

CHILDREN: Mapping[str, ListLengths] = {
    "subscription": {"items": (1, 2, 1, 1, 3, 1, 1, 12, 1, 1, 1)},
    "checkout.session": {"line_items": (1, 2, 1, 3, 1, 1, 12, 1)},
    "payment_link": {"line_items": (1, 12, 2)},
    "quote": {"line_items": (1, 2, 12)},
    "credit_note": {"lines": (1, 1, 11, 2, 1)},
    "transfer": {"reversals": (0, 0, 1, 0, 12, 0, 2)},
    "application_fee": {"refunds": (0, 1, 0, 0, 11)},
}
"""Lengths of embedded lists."""

_MONTH = 30 * 86_400
_LONG, _LONGEST = 14, 140
"""Every 14th invoice has more lines than the object itself has, every 140th more than a page."""


def fill(state: State, mode: Mode) -> dict[str, int]:
    """Create the shop, with Stripe events of its last month. Returns objects per collection."""
    created_counts = seed(state, mode, SeedPlan(COUNTS, spread="growing", children=CHILDREN))
    store = mode.store
    _link_subscriptions(store)
    _link_invoices(store)
    _link_payments(store)
    demo_invoice_payments.fill(store)
    demo_accounts.fill(state, store)
    demo_rare_objects.fill(state, store)
    demo_payouts.fill(store)
    oldest = mode.log.oldest_readable()
    recent = [
        (stored.created, kind, stored)
        for collection in store.collections.values()
        for stored in collection.order[collection.index_after(oldest) :]
        if stored.id != collection.unlisted_id
        for kind in event_types_of(stored.default_view(), "created")
    ]
    for created, kind, stored in sorted(recent, key=lambda triple: triple[0]):
        mode.log.write(kind, stored.default_view(), created=created)
    return created_counts


def _link_subscriptions(store: AccountStore) -> None:
    """Give subscriptions prices and plans of the shop."""
    prices = [e.default_view() for e in store["price"].order if e.doc().get("type") == "recurring"]
    plans = [stored.default_view() for stored in store["plan"].order]
    for number, stored in enumerate(list(store["subscription"].order)):
        doc = stored.doc()
        for item in doc["items"]["data"]:
            item["price"] = prices[number % len(prices)]
            item["plan"] = plans[number % len(plans)]
            item["subscription"] = doc["id"]
        if doc["status"] != "canceled":
            doc.update(canceled_at=None, ended_at=None, cancel_at=None)
        store["subscription"].put(doc)


def _link_invoices(store: AccountStore) -> None:
    """Give invoices a subscription, and totals that match their lines."""
    subscriptions = [stored.doc() for stored in store["subscription"].order]
    for number, stored in enumerate(list(store["invoice"].order)):
        doc = stored.doc()
        subscription = subscriptions[number % len(subscriptions)]
        lines = [_line(doc, subscription, at) for at in range(_line_count(number))]
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


def _line_count(number: int) -> int:
    if number % _LONGEST == 0:
        return 101 + number % 7
    return 11 + number % 20 if number % _LONG == 0 else 1 + number % 3


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


def _link_payments(store: AccountStore) -> None:
    """Give balance transactions their charges, and charges their payment intents."""
    charges = [stored.doc() for stored in store["charge"].order]
    transactions = [stored.doc() for stored in store["balance_transaction"].order]
    intents = [stored.doc() for stored in store["payment_intent"].order]
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
