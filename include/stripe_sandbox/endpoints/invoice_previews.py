"""Previews of the next invoice of a subscription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import ApiError, bad_request, no_such
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc, StoredObject

_ENDED = frozenset(("canceled", "incomplete_expired", "paused"))
_KEPT_PREVIEWS = 500
"""Number of previews whose lines can still be listed."""


def upcoming_invoice(store: AccountStore, given: Mapping[str, Any], preview_id: str) -> Doc:
    """The next invoice of a subscription, or of the customer's subscription that renews first.

    Args:
        store: The account's objects.
        given: ``subscription`` or ``customer``; ``invoice_items`` to add.
        preview_id: Id of the invoice; temporary ids of lines depend on it.

    Raises:
        ApiError: 400 neither is given; 404 no such object, or no subscription renews.
    """
    subscription = _subscription(store, given)
    end = _period_end(subscription)
    doc = blank_object("invoice", preview_id, end, store)
    extra = _pending_items(store, subscription["customer"]) + list(given.get("invoice_items") or [])
    items = [_item_line(store, subscription, item, preview_id) for item in _items(subscription)]
    lines = items + [
        _extra_line(store, item, f"{preview_id}/{subscription['id']}/extra/{at}")
        for at, item in enumerate(extra)
    ]
    for line in lines:
        line["invoice"] = preview_id
    total = sum(line["amount"] for line in lines)
    customer = store.find(("customer",), subscription["customer"]) or {}
    doc.update(
        billing_reason="upcoming", status="draft", customer=subscription["customer"],
        currency=subscription.get("currency") or "usd", amount_due=total, amount_remaining=total,
        subtotal=total, total=total, customer_email=customer.get("email"),
        customer_name=customer.get("name"), next_payment_attempt=end,
        parent={
            "quote_details": None, "type": "subscription_details",
            "subscription_details": {"metadata": {}, "subscription": subscription["id"]},
        },
    )  # fmt: skip
    url = f"/v1/invoices/{preview_id}/lines"
    doc["lines"] = {"object": "list", "data": lines, "has_more": False, "url": url}
    return doc


def keep_preview(store: AccountStore, doc: Doc) -> None:
    """Keep a preview, so that its lines can be listed for a while."""
    store.previews[str(doc["id"])] = doc
    while len(store.previews) > _KEPT_PREVIEWS:
        del store.previews[next(iter(store.previews))]


def _subscription(store: AccountStore, given: Mapping[str, Any]) -> Doc:
    if given.get("subscription"):
        found = [_find(store, "subscription", given["subscription"]).doc()]
        subject = f"subscription: {given['subscription']}"
    elif given.get("customer"):
        customer = _find(store, "customer", given["customer"]).id
        found = [stored.doc() for stored in store["subscription"].index("customer", customer)]
        subject = f"customer: {customer}"
    else:
        message = "You must specify either a customer or a subscription."
        raise bad_request(message)
    renewing = [doc for doc in found if _renews(doc)]
    if not renewing:
        raise ApiError(404, f"No upcoming invoices for {subject}", code="invoice_upcoming_none")
    return min(renewing, key=_period_end)


def _find(store: AccountStore, kind: str, object_id: str) -> StoredObject:
    stored = store[kind].by_id.get(object_id)
    if stored is None:
        raise no_such(kind, object_id, param=kind)
    return stored


def _renews(subscription: Doc) -> bool:
    if subscription.get("cancel_at_period_end") or subscription.get("cancel_at"):
        return False
    return subscription.get("status") not in _ENDED


def _items(subscription: Doc) -> list[Doc]:
    return list((subscription.get("items") or {}).get("data") or [])


def _period_end(subscription: Doc) -> int:
    ends = [item.get("current_period_end") for item in _items(subscription)]
    return min((end for end in ends if end), default=int(subscription.get("created") or 0))


def _pending_items(store: AccountStore, customer: str) -> list[Doc]:
    objects = store["invoiceitem"].index("customer", customer)
    return [doc for doc in (stored.doc() for stored in objects) if not doc.get("invoice")]


def _line(store: AccountStore, id_seed: str, amount: int) -> Doc:
    line_id = make_id("line_item", 0, id_seed).replace("il_", "il_tmp_", 1)
    line = blank_object("line_item", line_id, 0, store)
    line.update(amount=amount, subtotal=amount, currency="usd", quantity=1)
    return line


def _item_line(store: AccountStore, subscription: Doc, item: Doc, preview_id: str) -> Doc:
    price = item.get("price") or {}
    quantity = item.get("quantity") or 1
    details = {
        "invoice_item": None, "proration": False, "proration_details": None,
        "subscription": subscription["id"], "subscription_item": item["id"],
    }  # fmt: skip
    start = item.get("current_period_end") or 0
    return {
        **_line(store, f"{preview_id}/{item['id']}", (price.get("unit_amount") or 0) * quantity),
        "description": f"{quantity} x {price.get('nickname') or 'boat service'}",
        "quantity": quantity,
        "period": {"start": start, "end": start + 30 * 86_400},
        "subscription": subscription["id"],
        "parent": {
            "invoice_item_details": None, "type": "subscription_item_details",
            "subscription_item_details": details,
        },
    }  # fmt: skip


def _extra_line(store: AccountStore, item: Mapping[str, Any], id_seed: str) -> Doc:
    details = {
        "invoice_item": item.get("id"), "proration": False, "proration_details": None,
        "subscription": None,
    }  # fmt: skip
    return {
        **_line(store, id_seed, item.get("amount") or 0),
        "description": item.get("description"),
        "parent": {
            "invoice_item_details": details, "type": "invoice_item_details",
            "subscription_item_details": None,
        },
    }  # fmt: skip
