"""The demo's platform: connected accounts, their people, their money."""

from __future__ import annotations

from stripe_sandbox import child_writes
from stripe_sandbox.entries import Doc
from stripe_sandbox.generate import blank
from stripe_sandbox.places import PLACES
from stripe_sandbox.slots import make_id
from stripe_sandbox.state import State
from stripe_sandbox.store import AccountStore

CAPABILITIES = ("card_payments", "transfers", "us_bank_account_ach_payments", "link_payments")
_STATUS = ("active", "active", "pending", "inactive")
_BANKS_OF_THE_SHOWN = 12
_REFLECTED = [place for place in PLACES if place.parent == "account" and place.field]


def fill(state: State, store: AccountStore) -> None:
    """Complete the connected accounts, the transfers to them and the fees from them."""
    accounts = [entry.id for entry in store["account"].order if entry.id != store.account]
    give_capabilities(store, accounts)
    for number, account in enumerate(accounts):
        _external_accounts(store, account, _BANKS_OF_THE_SHOWN if number == 1 else 1 + number % 2)
        reflect(store, account)
    _join_transfers(store, accounts)
    _join_fees(store, accounts)


def give_capabilities(store: AccountStore, accounts: list[str]) -> None:
    """Make the capabilities of accounts; their ids are the same in each."""
    for number, account in enumerate(accounts):
        entry = store["account"].by_id[account]
        for at, name in enumerate(CAPABILITIES[: 2 + number % 3]):
            doc = blank("capability", name, entry.created, store)
            status = _STATUS[(number + at) % len(_STATUS)]
            doc.update(account=account, requested=True, requested_at=entry.created, status=status)
            store["capability"].put(doc)


def reflect(store: AccountStore, account: str) -> None:
    """Let an account show its capabilities and external accounts."""
    for place in _REFLECTED:
        child_writes.reflect(store, place, account)


def _external_accounts(store: AccountStore, account: str, count: int) -> None:
    for at in range(count):
        kind = "card" if at % 3 == 2 else "bank_account"  # noqa: PLR2004 - every third
        doc = blank(kind, make_id(kind, 0, f"{account}/{at}"), 0, store)
        doc.update(account=account, customer=None, currency="usd", country="US", last4="6789")
        doc.update(status="new" if kind == "bank_account" else None, default_for_currency=at == 0)
        store[kind].put(doc)


def _add_up(store: AccountStore, kind: str, doc: Doc, place: tuple[str, str, str]) -> None:
    """Reversals and refunds are parts of their parent's amount."""
    field, done, whole = place
    parts = doc[field]["data"]
    share = doc["amount"] // (len(parts) + 1)
    for part in parts:
        part.update(amount=share, currency=doc["currency"], balance_transaction=None)
    doc[done], doc[whole] = share * len(parts), False
    store[kind].put(doc)


def _join_transfers(store: AccountStore, accounts: list[str]) -> None:
    for number, entry in enumerate(list(store["transfer"].order)):
        doc = {**entry.doc(), "destination": accounts[number % len(accounts)]}
        _add_up(store, "transfer", doc, ("reversals", "amount_reversed", "reversed"))


def _join_fees(store: AccountStore, accounts: list[str]) -> None:
    charges = [entry.id for entry in store["charge"].order]
    for number, entry in enumerate(list(store["application_fee"].order)):
        doc = entry.doc()
        doc.update(account=accounts[number % len(accounts)], charge=charges[number % len(charges)])
        _add_up(store, "application_fee", doc, ("refunds", "amount_refunded", "refunded"))
