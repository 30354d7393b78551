"""The demo's automatic payouts: each pays out what the balance received since the one before."""

from __future__ import annotations

from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc

_MANUAL = 6
"""Every sixth payout is a manual one: Stripe does not know what those consist of."""


def fill(store: AccountStore) -> None:
    """Make payouts automatic; the paid ones get their transactions and the sum of these."""
    transactions = [stored.doc() for stored in store["balance_transaction"].order]
    charged = {stored.doc()["balance_transaction"] for stored in store["charge"].order}
    own = {each["source"]: each for each in transactions if each["type"] == "payout"}
    spare = [
        each for each in transactions if each["type"] == "charge" and each["id"] not in charged
    ]
    moved = [each for each in transactions if each["type"] != "payout" and each not in spare]
    for number, stored in enumerate(list(store["payout"].order)):
        payout = stored.doc()
        if number % _MANUAL == 0:
            continue
        paid = payout["status"] == "paid"
        payout.update(automatic=True, reconciliation_status="completed" if paid else "in_progress")
        parts = [each for each in moved if paid and each["created"] <= payout["created"]]
        amount = sum(each["net"] for each in parts)
        if amount > 0:
            moved = [each for each in moved if each not in parts]
            payout.update(amount=amount)
            _pay_out(store, payout, [*parts, own.get(payout["id"]) or spare.pop()])
        store["payout"].put(payout)


def _pay_out(store: AccountStore, payout: Doc, transactions: list[Doc]) -> None:
    """Store the transactions of a payout; the last one is the payout's own."""
    transactions[-1].update(
        amount=-payout["amount"], net=-payout["amount"], fee=0, fee_details=[], type="payout",
        reporting_category="payout", source=payout["id"], created=payout["created"],
    )  # fmt: skip
    payout["balance_transaction"] = transactions[-1]["id"]
    for transaction in transactions:
        transaction.update(payout=payout["id"], status="available", currency=payout["currency"])
        store["balance_transaction"].put(transaction)
