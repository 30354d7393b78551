"""The demo's connected accounts, with transfers to them and fees from them."""

from __future__ import annotations

from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.resources.nested_lists import NESTED_LISTS
from stripe_sandbox.state.sandbox_state import State
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.child_relations import refresh_parent

CAPABILITIES = ("card_payments", "transfers", "us_bank_account_ach_payments", "link_payments")
_STATUS = ("active", "active", "pending", "inactive")
_MANY_EXTERNAL_ACCOUNTS = 12
_ACCOUNT_LISTS = [each for each in NESTED_LISTS if each.parent == "account" and each.field]


def fill(state: State, store: AccountStore) -> None:
    """Complete the connected accounts, the transfers to them and the fees from them."""
    accounts = [stored.id for stored in store["account"].order if stored.id != store.account]
    create_capabilities(store, accounts)
    for number, account in enumerate(accounts):
        count = _MANY_EXTERNAL_ACCOUNTS if number == 1 else 1 + number % 2
        _external_accounts(store, account, count)
        refresh_account(store, account)
    _join_transfers(store, accounts)
    _join_fees(store, accounts)


def create_capabilities(store: AccountStore, accounts: list[str]) -> None:
    """Create the capabilities of accounts; their ids are the same in each."""
    for number, account in enumerate(accounts):
        stored = store["account"].by_id[account]
        for at, name in enumerate(CAPABILITIES[: 2 + number % 3]):
            doc = blank_object("capability", name, stored.created, store)
            status = _STATUS[(number + at) % len(_STATUS)]
            doc.update(account=account, requested=True, requested_at=stored.created, status=status)
            store["capability"].put(doc)


def refresh_account(store: AccountStore, account: str) -> None:
    """Copy the capabilities and external accounts of an account into it."""
    for nested_list in _ACCOUNT_LISTS:
        refresh_parent(store, nested_list, account)


def _external_accounts(store: AccountStore, account: str, count: int) -> None:
    for at in range(count):
        kind = "card" if at % 3 == 2 else "bank_account"  # noqa: PLR2004 - every third
        doc = blank_object(kind, make_id(kind, 0, f"{account}/{at}"), 0, store)
        doc.update(account=account, customer=None, currency="usd", country="US", last4="6789")
        doc.update(status="new" if kind == "bank_account" else None, default_for_currency=at == 0)
        store[kind].put(doc)


def _split_amount(store: AccountStore, kind: str, doc: Doc, fields: tuple[str, str, str]) -> None:
    """Give each reversal or refund an equal part of its parent's amount."""
    field, reversed_amount, is_whole = fields
    parts = doc[field]["data"]
    share = doc["amount"] // (len(parts) + 1)
    for part in parts:
        part.update(amount=share, currency=doc["currency"], balance_transaction=None)
    doc[reversed_amount], doc[is_whole] = share * len(parts), False
    store[kind].put(doc)


def _join_transfers(store: AccountStore, accounts: list[str]) -> None:
    for number, stored in enumerate(list(store["transfer"].order)):
        doc = {**stored.doc(), "destination": accounts[number % len(accounts)]}
        _split_amount(store, "transfer", doc, ("reversals", "amount_reversed", "reversed"))


def _join_fees(store: AccountStore, accounts: list[str]) -> None:
    charges = [stored.id for stored in store["charge"].order]
    for number, stored in enumerate(list(store["application_fee"].order)):
        doc = stored.doc()
        doc.update(account=accounts[number % len(accounts)], charge=charges[number % len(charges)])
        _split_amount(store, "application_fee", doc, ("refunds", "amount_refunded", "refunded"))
