"""Older API versions: how an object of the newest shape looked in them.

Objects are stored in the newest shape. Each ``Change`` takes one kind of object one step back;
a request in an older version goes through all the changes that came after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stripe_sandbox.entries import Doc, cut
from stripe_sandbox.errors import bad_request
from stripe_sandbox.kin import PAYMENT_SOURCES
from stripe_sandbox.rows import PIN
from stripe_sandbox.store import AccountStore

_VERSION = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(\.[a-z]+)?")
_NAMED_SINCE = "2024-09-30"

Downgrade = Callable[[Doc, AccountStore], None]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions.

    Attributes:
        since: The version that brought the newer shape.
        object: The kind of object that changed.
        downgrade: Takes an object back to the older shape, in place.
    """

    since: str
    object: str
    downgrade: Downgrade


def check(version: str) -> str:
    """The version, when Stripe could have released it.

    Raises:
        ApiError: 400, it could not.
    """
    date = version[:10]
    named = len(version) > len(date)
    if (
        not _VERSION.fullmatch(version)
        or named is not (date >= _NAMED_SINCE)
        or date > PIN[:10]
        or date < "2011-01-01"
    ):
        message = f"Invalid Stripe API version: {version}"
        raise bad_request(message)
    return version


def is_newest_shape(version: str) -> bool:
    """Whether objects look in a version as they are stored."""
    return version[:10] >= _CHANGES[0].since


def render(doc: Doc, version: str, store: AccountStore) -> Doc:
    """Take an object, with all that is inside it, back to a version, in place.

    Stripe events stay as they are: their snapshots keep the version they were written in.
    """
    date = version[:10]
    changes = [change for change in _CHANGES if change.since > date]
    if changes:
        _render(doc, changes, store)
    return doc


def _render(node: object, changes: list[Change], store: AccountStore) -> None:
    if isinstance(node, list):
        for item in node:
            _render(item, changes, store)
    elif isinstance(node, dict) and node.get("object") != "event":
        for change in changes:
            if node.get("object") == change.object and not node.get("deleted"):
                change.downgrade(node, store)
        for value in list(node.values()):
            if isinstance(value, dict | list):
                _render(value, changes, store)


def _coupon(reference: object, store: AccountStore) -> object:
    if isinstance(reference, str):
        return store.find(("coupon",), reference) or reference
    return reference


def _discount_coupon(doc: Doc, store: AccountStore) -> None:
    if "source" not in doc:
        return  # it stands in two fields of one object and was met before
    source = doc.pop("source")
    doc["coupon"] = _coupon(source.get("coupon"), store) if isinstance(source, dict) else None


def _promotion_coupon(doc: Doc, store: AccountStore) -> None:
    promotion = doc.pop("promotion", None)
    coupon = promotion.get("coupon") if isinstance(promotion, dict) else None
    doc["coupon"] = _coupon(coupon, store)


def _first_discount(doc: Doc, store: AccountStore) -> Doc | None:
    first = next(iter(doc.get("discounts") or ()), None)
    return store.find(("discount",), first) if isinstance(first, str) else first


def _discount_id(doc: Doc, _: AccountStore) -> None:
    doc.pop("id", None)


def _subscription_period(doc: Doc, store: AccountStore) -> None:
    items = (doc.get("items") or {}).get("data") or [{}]
    doc["current_period_start"] = items[0].get("current_period_start")
    doc["current_period_end"] = items[0].get("current_period_end")
    doc["discount"] = _first_discount(doc, store)


def _item_period(doc: Doc, _: AccountStore) -> None:
    doc.pop("current_period_start", None)
    doc.pop("current_period_end", None)


def _invoice_totals(doc: Doc, store: AccountStore) -> None:
    parent = doc.pop("parent", None) or {}
    details = parent.get("subscription_details") or {}
    taxes = doc.pop("total_taxes", None) or []
    paid = store["invoice_payment"].index("invoice", doc.get("id"))
    payment = (paid[0].doc().get("payment") or {}) if paid else {}
    doc["subscription"] = details.get("subscription")
    doc["paid"] = doc.get("status") == "paid"
    doc["tax"] = sum(tax.get("amount", 0) for tax in taxes) if taxes else None
    doc["payment_intent"] = payment.get("payment_intent")
    doc["charge"] = payment.get("charge")
    doc["discount"] = _first_discount(doc, store)


def _charge_invoice(doc: Doc, _: AccountStore) -> None:
    doc.setdefault("invoice", None)


def _page(doc: Doc, name: str, foreign: str, url: str, store: AccountStore) -> None:
    entries = store[foreign].index(str(doc.get("object")), doc.get("id"))
    data = [entry.view() for entry in reversed(entries)]
    doc[name] = cut({"object": "list", "data": data, "has_more": False, "url": url})


def _charge_refunds(doc: Doc, store: AccountStore) -> None:
    _page(doc, "refunds", "refund", f"/v1/charges/{doc.get('id')}/refunds", store)


def _intent_charges(doc: Doc, store: AccountStore) -> None:
    _page(doc, "charges", "charge", f"/v1/charges?payment_intent={doc.get('id')}", store)


def _customer_lists(doc: Doc, store: AccountStore) -> None:
    url = f"/v1/customers/{doc.get('id')}"
    sources = store.owned(PAYMENT_SOURCES, "customer", str(doc.get("id")))
    data = [entry.view() for entry in reversed(sources)]
    page = {"object": "list", "data": data, "has_more": False, "url": f"{url}/sources"}
    doc["sources"] = cut(page)
    _page(doc, "subscriptions", "subscription", f"{url}/subscriptions", store)
    _page(doc, "tax_ids", "tax_id", f"{url}/tax_ids", store)


_CHANGES = (
    Change("2025-09-30", "discount", _discount_coupon),
    Change("2025-09-30", "promotion_code", _promotion_coupon),
    Change("2025-03-31", "subscription", _subscription_period),
    Change("2025-03-31", "subscription_item", _item_period),
    Change("2025-03-31", "invoice", _invoice_totals),
    Change("2025-03-31", "charge", _charge_invoice),
    Change("2022-11-15", "charge", _charge_refunds),
    Change("2022-11-15", "payment_intent", _intent_charges),
    Change("2020-08-27", "customer", _customer_lists),
    Change("2020-08-27", "discount", _discount_id),
)
"""Newest first."""
