"""The demo's rarer objects: discounts, mandates, usage, and kinds of old API versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.state.sandbox_state import State
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc

_DAY = 86_400
_BALANCE_SOURCES = (
    ("connect_collection_transfer", "connect_collection_transfer"),
    ("reserve_transaction", "reserve_transaction"),
    ("tax_deducted_at_source", "tax_fee"),
    ("platform_tax_fee", "tax_fee"),
    ("transfer_reversal", "transfer_refund"),
    ("fee_refund", "application_fee_refund"),
    ("payout", "payout"),
    ("refund", "refund"),
)
"""Kinds that a balance transaction may have as its source, with its type then."""


def fill(state: State, store: AccountStore) -> None:
    """Create the objects that the seed cannot, and the references between objects."""
    now = int(state.clock.now())
    _balances(store)
    _discounts(store, now)
    _setup_attempts(store)
    _mandates(store)
    _balance_sources(store)
    _card_sources(store)
    _bitcoin_receivers(store)
    _account_tax_ids(store, now)
    _portal_sessions(store, now)
    _usage(store, now)
    _test_clocks(store)
    _upfront_items(store)


def _each(store: AccountStore, kind: str, step: int = 1, first: int = 0) -> list[Doc]:
    return [stored.doc() for stored in store[kind].order[first::step]]


def _setup_attempts(store: AccountStore) -> None:
    """Set the latest attempt of setup intents."""
    newest = {doc["setup_intent"]: doc["id"] for doc in _each(store, "setup_attempt")}
    for intent, attempt in newest.items():
        doc = store["setup_intent"].by_id[intent].doc()
        store["setup_intent"].put({**doc, "latest_attempt": attempt})


def _balances(store: AccountStore) -> None:
    """Add up the ending balances of customers."""
    balances: dict[str, int] = {}
    for doc in _each(store, "customer_balance_transaction"):
        customer = doc["customer"]
        balances[customer] = balances.get(customer, 0) + doc["amount"]
        doc.update(ending_balance=balances[customer], invoice=None, credit_note=None)
        store["customer_balance_transaction"].put(doc)
    for customer, balance in balances.items():
        store["customer"].put({**store["customer"].by_id[customer].doc(), "balance": balance})


def _discount(store: AccountStore, coupon: str, owner: Doc, start: int) -> Doc:
    doc = blank_object("discount", make_id("discount", 0, owner["id"]), start, store)
    field = owner["object"] if owner["object"] in ("subscription", "invoice") else None
    customer = owner["id"] if field is None else owner.get("customer")
    doc.update(customer=customer, start=start, end=None, promotion_code=None)
    doc["source"] = {"coupon": coupon, "type": "coupon"}
    if field is not None:
        doc[field] = owner["id"]
    store["discount"].put(doc)
    return doc


def _discounts(store: AccountStore, now: int) -> None:
    coupons = [stored.id for stored in store["coupon"].order]
    for kind, step in (("customer", 25), ("subscription", 20), ("invoice", 35)):
        for number, doc in enumerate(_each(store, kind, step)):
            discount = _discount(store, coupons[number % len(coupons)], doc, doc["created"])
            if kind == "customer":
                doc["discount"] = discount
            else:
                doc["discounts"] = [discount["id"]]
            store[kind].put(doc)
    for number, doc in enumerate(_each(store, "checkout.session")):
        for discount in _discounts_inside(doc):
            discount["source"] = {"coupon": coupons[number % len(coupons)], "type": "coupon"}
            store["discount"].put(discount)
        store["checkout.session"].put(doc)


def _discounts_inside(node: Any) -> Iterator[Doc]:
    if isinstance(node, dict) and node.get("object") == "discount":
        yield node
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict | list):
            yield from _discounts_inside(value)


def _mandates(store: AccountStore) -> None:
    mandates = _each(store, "mandate")
    intents, charges = _each(store, "setup_intent", 5), _each(store, "charge", 30)
    for number, mandate in enumerate(mandates):
        reference = {"reference": f"HARBOR{number:04d}", "url": "https://mandates.example.com"}
        mandate.update(status="active", type="multi_use", multi_use={}, single_use=None)
        mandate["payment_method_details"] = {"sepa_debit": reference, "type": "sepa_debit"}
        store["mandate"].put(mandate)
        intent = {**intents[number % len(intents)], "mandate": mandate["id"]}
        store["setup_intent"].put({**intent, "single_use_mandate": None})
    for charge, mandate in zip(charges, mandates, strict=False):
        bank = {"bank_code": "37040044", "country": "DE", "last4": "3000"}
        debit = {**bank, "mandate": mandate["id"]}
        charge["payment_method_details"] = {"sepa_debit": debit, "type": "sepa_debit"}
        store["charge"].put(charge)


def _balance_sources(store: AccountStore) -> None:
    """Give balance transactions other sources than charges."""
    charged = {doc["balance_transaction"] for doc in _each(store, "charge")}
    spare = [doc for doc in _each(store, "balance_transaction") if doc["id"] not in charged]
    sources = [
        (doc, kind) for name, kind in _BALANCE_SOURCES for doc in list(store.all_objects(name))[:3]
    ]
    for transaction, (source, kind) in zip(spare, sources, strict=False):
        transaction.update(source=source["id"], type=kind, reporting_category=kind)
        store["balance_transaction"].put(transaction)


def _card_sources(store: AccountStore) -> None:
    for charge, secure in zip(_each(store, "charge"), _each(store, "three_d_secure"), strict=False):
        store["charge"].put({**charge, "source": secure})


def _bitcoin_receivers(store: AccountStore) -> None:
    receivers = [stored.id for stored in store["bitcoin_receiver"].order]
    for number, doc in enumerate(_each(store, "bitcoin_transaction")):
        receiver = receivers[number % len(receivers)]
        store["bitcoin_transaction"].put({**doc, "receiver": receiver})


def _account_tax_ids(store: AccountStore, now: int) -> None:
    for number in range(2):
        doc = blank_object("tax_id", make_id("tax_id", 1, number), now - 300 * _DAY, store)
        doc.update(country="US", type="us_ein", value=f"12-345678{number}", customer=None)
        owner = {"account": None, "application": None, "customer": None, "customer_account": None}
        doc["owner"] = {**owner, "type": "self"}
        store["tax_id"].put(doc)


def _portal_sessions(store: AccountStore, now: int) -> None:
    for number, customer in enumerate(_each(store, "customer", 30)):
        session = blank_object("billing_portal.session", "", now - number * _DAY, store)
        session.update(id=make_id("billing_portal.session", 0, number), customer=customer["id"])
        session["configuration"] = make_id("billing_portal.configuration", 0, 0)
        store["billing_portal.session"].put(session)
    for number, doc in enumerate(_each(store, "source_mandate_notification")):
        sources = store["source"].order
        source = sources[number % len(sources)].default_view()
        store["source_mandate_notification"].put({**doc, "created": now - number, "source": source})


def _usage(store: AccountStore, now: int) -> None:
    """Give a few subscriptions the legacy metered billing."""
    for number, subscription in enumerate(_each(store, "subscription", 20, 1)):
        item = subscription["items"]["data"][0]
        metered: dict[str, Any] = {"usage_type": "metered", "meter": None}
        item["price"] = {
            **item["price"], "recurring": {**(item["price"].get("recurring") or {}), **metered}
        }  # fmt: skip
        store["subscription"].put(subscription)
        for at in range(13 if number == 0 else 2):
            end = now + _DAY - at * 30 * _DAY
            summary = blank_object("usage_record_summary", "", now, store)
            summary.update(id=make_id("usage_record_summary", 0, f"{number}/{at}"), total_usage=at)
            summary.update(
                subscription_item=item["id"], period={"start": end - 30 * _DAY, "end": end}
            )
            store["usage_record_summary"].put(summary)
        record = blank_object("usage_record", make_id("usage_record", 0, number), now, store)
        store["usage_record"].put({**record, "subscription_item": item["id"], "timestamp": now})


def _test_clocks(store: AccountStore) -> None:
    """Move a few customers, with their objects, to test clocks."""
    clocks = [stored.id for stored in store["test_helpers.test_clock"].order]
    for number, customer in enumerate(_each(store, "customer", 40, 7)):
        clock = clocks[number % len(clocks)]
        store["customer"].put({**customer, "test_clock": clock})
        for kind in ("subscription", "subscription_schedule", "invoice", "quote"):
            for stored in list(store[kind].index("customer", customer["id"])):
                store[kind].put({**stored.doc(), "test_clock": clock})


def _upfront_items(store: AccountStore) -> None:
    """Give quotes their list of upfront line items."""
    for doc in _each(store, "quote"):
        data = [
            {**item, "id": make_id("item", 0, f"{item['id']}/upfront")}
            for item in doc["line_items"]["data"][:11]
        ]
        url = f"/v1/quotes/{doc['id']}/computed_upfront_line_items"
        page = {"object": "list", "data": data, "has_more": False, "url": url}
        store["quote"].put({**doc, "computed_upfront_line_items": page})
