"""Side effects of a write: fields and objects that change without a parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stripe_sandbox.errors import bad_request
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc, reference_id
from stripe_sandbox.writes import discounts
from stripe_sandbox.writes.param_merge import merged_metadata
from stripe_sandbox.writes.payments import cards

ObjectChange = tuple[str, Doc, Doc | None]
"""Type of the Stripe event, the object now, the object before."""

_DAY = 86_400
_PERIODS = {"day": _DAY, "week": 7 * _DAY, "month": 30 * _DAY, "year": 365 * _DAY}


def complete_created(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    """Complete an object after its creation."""
    doc.update(
        {k: v for k, v in _CREATION_DEFAULTS.get(doc["object"], {}).items() if k not in given}
    )
    discounts.create_discounts(store, doc, given, now)
    rule = _CREATION_RULES.get(doc["object"])
    if rule is not None:
        rule(store, doc, given, now)


def complete_updated(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    """Complete an object after an update."""
    discounts.create_discounts(store, doc, given, now)
    if doc["object"] == "subscription" and given.get("items"):
        _subscription_items(store, doc, given, now)


def after_create(store: AccountStore, doc: Doc) -> Iterator[ObjectChange]:
    """Other objects that a creation changes: the charge of a refund, the plan of a price."""
    if doc["object"] == "refund" and doc.get("charge") in store["charge"].by_id:
        stored = store["charge"].by_id[doc["charge"]]
        charge = stored.doc()
        charge["amount_refunded"] = charge.get("amount_refunded", 0) + doc.get("amount", 0)
        charge["refunded"] = charge["amount_refunded"] >= charge.get("amount", 0)
        yield "charge.refunded", store["charge"].put(charge).default_view(), stored.default_view()
    if doc["object"] == "price" and doc.get("type") == "recurring":
        plan = blank_object("plan", doc["id"], doc["created"], store)
        recurring = doc.get("recurring") or {}
        plan.update(
            {k: v for k, v in doc.items() if k in plan and k not in ("object", "billing_scheme")}
        )
        plan.update({k: v for k, v in recurring.items() if k in plan})
        plan["amount"] = doc.get("unit_amount")
        yield "plan.created", store["plan"].put(plan).default_view(), None


def new_discounts(
    store: AccountStore, doc: Doc, given: Mapping[str, Any]
) -> Iterator[ObjectChange]:
    """The discounts that a write has created."""
    if any(not params.get("discount") for params in given.get("discounts") or ()):
        for discount in doc.get("discounts") or ():
            found = store.find(("discount",), discount)
            if found is not None:
                yield "customer.discount.created", found, None


def after_customer_deleted(store: AccountStore, customer: str, now: int) -> Iterator[ObjectChange]:
    """Cancel the subscriptions of a deleted customer, and delete its tax ids without an event."""
    for stored in list(store["subscription"].index("customer", customer)):
        doc = stored.doc()
        if doc.get("status") != "canceled":
            doc.update(status="canceled", canceled_at=now, ended_at=now)
            view = store["subscription"].put(doc).default_view()
            yield "customer.subscription.deleted", view, None
    for stored in list(store["tax_id"].index("customer", customer)):
        store["tax_id"].remove(stored.id)


def check_deletable(store: AccountStore, doc: Doc) -> None:
    """Refuse to delete an object that must stay.

    Raises:
        ApiError: 400: an invoice that is no draft or is a subscription's, an item of such an
            invoice, a product with prices.
    """
    if doc["object"] == "invoice":
        _check_draft(doc, "You can only delete draft invoices.")
        details = (doc.get("parent") or {}).get("subscription_details") or {}
        if details.get("subscription"):
            message = "You can't delete invoices created by subscriptions."
            raise bad_request(message)
    if doc["object"] == "invoiceitem" and doc.get("invoice"):
        invoice = store.find(("invoice",), str(reference_id(doc["invoice"]))) or {"status": "draft"}
        _check_draft(invoice, "You can't delete an item of an invoice that is no draft.")
    if doc["object"] == "product" and store["price"].index("product", doc["id"]):
        message = (
            "This product cannot be deleted because it has one or more user-created prices. Please "
            "archive this product instead."
        )
        raise bad_request(message)


def _check_draft(invoice: Doc, message: str) -> None:
    if invoice.get("status") != "draft":
        raise bad_request(message, code="invoice_not_editable")


def _promotion_code(_: AccountStore, doc: Doc, given: Mapping[str, Any], __: int) -> None:
    doc["promotion"] = {"type": "coupon", "coupon": given["promotion"].get("coupon")}
    doc["code"] = given.get("code") or f"CODE{str(doc['id'])[-6:].upper()}"


def _price(_: AccountStore, doc: Doc, given: Mapping[str, Any], __: int) -> None:
    doc["type"] = "recurring" if given.get("recurring") else "one_time"
    if doc.get("unit_amount") is not None:
        doc["unit_amount_decimal"] = str(doc["unit_amount"])
    if doc["type"] == "recurring":
        recurring = doc["recurring"]
        recurring["interval_count"] = recurring.get("interval_count") or 1
        recurring["usage_type"] = recurring.get("usage_type") or "licensed"


def _subscription_items(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    data: list[Doc] = doc["items"]["data"]
    for number, item in enumerate(given.get("items") or []):
        known = next((i for i in data if i["id"] == item.get("id")), None)
        if known is not None and item.get("deleted"):
            data.remove(known)
            continue
        target = known or new_subscription_item(doc, number + len(data), now)
        if known is None:
            data.append(target)
        apply_item_params(store, target, item, now)


def new_subscription_item(doc: Doc, number: int, now: int) -> Doc:
    """A new item of a subscription."""
    return {
        "id": make_id("subscription_item", now, f"{doc['id']}/{number}"),
        "object": "subscription_item", "billing_thresholds": None, "created": now,
        "current_period_start": now, "current_period_end": now + _PERIODS["month"],
        "discounts": [], "metadata": {}, "plan": None, "price": None, "quantity": 1,
        "subscription": doc["id"], "tax_rates": [],
    }  # fmt: skip


def apply_item_params(store: AccountStore, item: Doc, given: Mapping[str, Any], now: int) -> None:
    """Merge parameters into an item.

    Raises:
        ApiError: 400, there is no such price.
    """
    if given.get("quantity") is not None:
        item["quantity"] = given["quantity"]
    if "metadata" in given:
        item["metadata"] = merged_metadata(item.get("metadata"), given["metadata"])
    price = store.find(("price",), given["price"]) if given.get("price") else None
    if given.get("price") and price is None:
        message = f"No such price: '{given['price']}'"
        raise bad_request(message, code="resource_missing", param="items[0][price]")
    if price is not None:
        recurring = price.get("recurring") or {}
        item["price"], item["plan"] = price, store.find(("plan",), price["id"])
        item["current_period_end"] = now + _PERIODS[recurring.get("interval") or "month"]


def _subscription(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    doc.update(start_date=now, billing_cycle_anchor=now)
    doc["items"] = {**doc["items"], "data": []}
    _subscription_items(store, doc, given, now)


def _customer_invoice(store: AccountStore, doc: Doc, _: Mapping[str, Any], __: int) -> None:
    customer = store.find(("customer",), str(doc.get("customer"))) or {}
    doc["customer_email"], doc["customer_name"] = customer.get("email"), customer.get("name")


def _payment_method(_: AccountStore, doc: Doc, given: Mapping[str, Any], __: int) -> None:
    card = given.get("card") or {}
    if isinstance(doc.get("card"), dict):
        known = cards.card_fields(str(card.get("token")))
        digits = str(card.get("number") or "")[-4:]
        doc["card"].update(known or ({"last4": digits} if digits else {}))


def _tax_id(_: AccountStore, doc: Doc, given: Mapping[str, Any], __: int) -> None:
    owner = {"type": "self", **(given.get("owner") or {})}
    doc["owner"] = {"customer": None, "customer_account": None, "account": None, **owner}
    doc["customer"] = doc["owner"]["customer"]


def _account(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    doc["external_accounts"] = {
        "object": "list", "data": [], "has_more": False,
        "url": f"/v1/accounts/{doc['id']}/external_accounts",
    }  # fmt: skip
    controller = {"requirement_collection": "application", "type": "application"}
    doc["controller"] = {**controller, "is_controller": True, **(given.get("controller") or {})}
    doc["capabilities"] = {}
    for name, params in (given.get("capabilities") or {}).items():
        capability = blank_object("capability", name, now, store)
        requested = bool((params or {}).get("requested"))
        status = "pending" if requested else "unrequested"
        capability.update(account=doc["id"], requested=requested, status=status)
        doc["capabilities"][name] = status
        store["capability"].put(capability)


def _token(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    kinds = [kind for kind in ("bank_account", "card") if given.get(kind)]
    doc["type"] = next(iter(kinds), next((name for name in given if name != "customer"), "pii"))
    for kind in kinds:
        child = blank_object(kind, make_id(kind, now, str(doc["id"])), now, store)
        details = given[kind] if isinstance(given[kind], dict) else {}
        child.update({k: v for k, v in details.items() if k in child})
        digits = str(details.get("number") or details.get("account_number") or "")
        doc[kind] = {**child, "last4": digits[-4:]}


_CREATION_RULES: Mapping[str, Callable[[AccountStore, Doc, Mapping[str, Any], int], None]] = {
    "account": _account,
    "promotion_code": _promotion_code,
    "tax_id": _tax_id,
    "token": _token,
    "price": _price,
    "subscription": _subscription,
    "invoice": _customer_invoice,
    "payment_method": _payment_method,
}
"""Sets the fields of a new object that are no parameters, by kind."""

_CREATION_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "charge": {"status": "succeeded", "paid": True, "captured": True},
    "customer": {"balance": 0, "delinquent": False},
    "coupon": {"valid": True, "times_redeemed": 0, "duration": "once"},
    "invoice": {"status": "draft", "currency": "usd"},
    "payment_intent": {"status": "requires_payment_method"},
    "payout": {
        "status": "pending",
        "method": "standard",
        "type": "bank_account",
        "automatic": False,
        "reconciliation_status": "not_applicable",
    },
    "plan": {"active": True, "interval_count": 1},
    "price": {"active": True, "billing_scheme": "per_unit"},
    "product": {"active": True},
    "promotion_code": {"active": True, "times_redeemed": 0},
    "refund": {"status": "succeeded", "currency": "usd"},
    "source": {"status": "chargeable"},
    "setup_intent": {"status": "requires_payment_method"},
    "subscription": {"status": "active", "currency": "usd"},
    "subscription_schedule": {"status": "not_started"},
    "checkout.session": {"status": "open"},
}
"""Fields that a creation sets unless a parameter does."""
