"""Discounts: made with what they apply to, read and ended through their owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stripe_sandbox.entries import Doc
from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.generate import blank
from stripe_sandbox.slots import make_id
from stripe_sandbox.store import AccountStore

if TYPE_CHECKING:
    from stripe_sandbox.writes import Write


def of(store: AccountStore, owner: Doc) -> Doc:
    """The discount of a customer or subscription.

    Raises:
        ApiError: 404, it has none.
    """
    held = owner.get("discount") or next(iter(owner.get("discounts") or ()), None)
    found = store.find(("discount",), held) if isinstance(held, str) else held
    if not found:
        kind, owner_id = str(owner["object"]), str(owner["id"])
        noun = f"active discount for {kind}"
        raise no_such(noun, owner_id, param=kind)
    return dict(found)


def end(write: Write, owner: Doc) -> Doc:
    """Take the discount of a customer or subscription away. Returns what is left of it.

    Raises:
        ApiError: 404, it has none.
    """
    store = write.mode.store
    doc = of(store, owner)
    if owner.get("discount"):
        owner["discount"] = None
    else:
        owner["discounts"] = [one for one in owner["discounts"] if _id(one) != doc.get("id")]
    store[str(owner["object"])].put(owner)
    write.log("customer.discount.deleted", doc)
    return {**doc, "deleted": True}


def _id(discount: Any) -> Any:
    return discount.get("id") if isinstance(discount, dict) else discount


def apply(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    """Make the discounts that a creation or an update asks for.

    Raises:
        ApiError: 400, there is no such coupon.
    """
    wanted = given.get("discounts")
    if wanted is None or "discounts" not in doc:
        return
    doc["discounts"] = [_made(store, doc, one, f"{now}/{at}", now) for at, one in enumerate(wanted)]


def _made(store: AccountStore, owner: Doc, wanted: Mapping[str, Any], place: str, now: int) -> str:
    if wanted.get("discount"):
        return str(wanted["discount"])
    code = store.find(("promotion_code",), str(wanted.get("promotion_code"))) or {}
    coupon = wanted.get("coupon") or (code.get("promotion") or {}).get("coupon")
    if coupon not in store["coupon"].by_id:
        message = f"No such coupon: '{coupon}'"
        raise bad_request(message, code="resource_missing", param="discounts[0][coupon]")
    doc = blank("discount", make_id("discount", 0, f"{owner['id']}/{place}"), now, store)
    field = {"invoiceitem": "invoice_item"}.get(owner["object"], owner["object"])
    doc.update({"customer": owner.get("customer"), "start": now, "promotion_code": code.get("id")})
    doc["source"] = {"coupon": coupon, "type": "coupon"}
    if field in doc:
        doc[field] = owner["id"]
    store["discount"].put(doc)
    return str(doc["id"])
