"""Converts objects of the newest API version to older versions.

Objects are stored in the newest format. Each ``VersionChange`` takes one kind of object one version
back; a request in an older version applies all the changes since that version.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stripe_sandbox.errors import bad_request
from stripe_sandbox.resources.child_resources import PAYMENT_SOURCES
from stripe_sandbox.resources.resource_spec import NEWEST_VERSION
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc, truncate_list

_VERSION = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(\.[a-z]+)?")
_NAMED_SINCE = "2024-09-30"

Downgrade = Callable[[Doc, AccountStore], None]


@dataclass(frozen=True, slots=True)
class VersionChange:
    """One difference between two versions.

    Attributes:
        since: The version that introduced the newer format.
        object: Kind of the changed object.
        downgrade: Converts an object to the older format, in place.
    """

    since: str
    object: str
    downgrade: Downgrade


def validate(version: str) -> str:
    """Return a version, if Stripe could have released it.

    Raises:
        ApiError: 400, there is no such version.
    """
    date = version[:10]
    named = len(version) > len(date)
    if (
        not _VERSION.fullmatch(version)
        or named is not (date >= _NAMED_SINCE)
        or date > NEWEST_VERSION[:10]
        or date < "2011-01-01"
    ):
        message = f"Invalid Stripe API version: {version}"
        raise bad_request(message)
    return version


def is_stored_format(version: str) -> bool:
    """Whether objects of a version have the format that is stored."""
    return version[:10] >= _CHANGES[0].since


def downgrade(doc: Doc, version: str, store: AccountStore) -> Doc:
    """Convert an object, with all objects inside it, to a version, in place.

    Stripe events stay as they are: their payloads keep the version they were written in.
    """
    date = version[:10]
    changes = [change for change in _CHANGES if change.since > date]
    if changes:
        _downgrade(doc, changes, store)
    return doc


def _downgrade(node: object, changes: list[VersionChange], store: AccountStore) -> None:
    if isinstance(node, list):
        for item in node:
            _downgrade(item, changes, store)
    elif isinstance(node, dict) and node.get("object") != "event":
        for change in changes:
            if node.get("object") == change.object and not node.get("deleted"):
                change.downgrade(node, store)
        for value in list(node.values()):
            if isinstance(value, dict | list):
                _downgrade(value, changes, store)


def _coupon(reference: object, store: AccountStore) -> object:
    if isinstance(reference, str):
        return store.find(("coupon",), reference) or reference
    return reference


def _discount_coupon(doc: Doc, store: AccountStore) -> None:
    if "source" not in doc:
        return  # one discount in two fields of an object has already been converted
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
    objects = store[foreign].index(str(doc.get("object")), doc.get("id"))
    data = [stored.default_view() for stored in reversed(objects)]
    doc[name] = truncate_list({"object": "list", "data": data, "has_more": False, "url": url})


def _charge_refunds(doc: Doc, store: AccountStore) -> None:
    _page(doc, "refunds", "refund", f"/v1/charges/{doc.get('id')}/refunds", store)


def _intent_charges(doc: Doc, store: AccountStore) -> None:
    _page(doc, "charges", "charge", f"/v1/charges?payment_intent={doc.get('id')}", store)


def _customer_lists(doc: Doc, store: AccountStore) -> None:
    url = f"/v1/customers/{doc.get('id')}"
    sources = store.children_of(PAYMENT_SOURCES, "customer", str(doc.get("id")))
    data = [stored.default_view() for stored in reversed(sources)]
    page = {"object": "list", "data": data, "has_more": False, "url": f"{url}/sources"}
    doc["sources"] = truncate_list(page)
    _page(doc, "subscriptions", "subscription", f"{url}/subscriptions", store)
    _page(doc, "tax_ids", "tax_id", f"{url}/tax_ids", store)


_CHANGES = (
    VersionChange("2025-09-30", "discount", _discount_coupon),
    VersionChange("2025-09-30", "promotion_code", _promotion_coupon),
    VersionChange("2025-03-31", "subscription", _subscription_period),
    VersionChange("2025-03-31", "subscription_item", _item_period),
    VersionChange("2025-03-31", "invoice", _invoice_totals),
    VersionChange("2025-03-31", "charge", _charge_invoice),
    VersionChange("2022-11-15", "charge", _charge_refunds),
    VersionChange("2022-11-15", "payment_intent", _intent_charges),
    VersionChange("2020-08-27", "customer", _customer_lists),
    VersionChange("2020-08-27", "discount", _discount_id),
)
"""Newest first."""
