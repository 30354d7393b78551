"""Discounts: created with their owner; read and deleted through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import make_id
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc, reference_id
from stripe_sandbox.writes.write_context import WriteContext


def current_discount(store: AccountStore, owner: Doc) -> Doc:
    """The discount of a customer or subscription.

    Raises:
        ApiError: 404, it has none.
    """
    reference = owner.get("discount") or next(iter(owner.get("discounts") or ()), None)
    found = store.find(("discount",), reference) if isinstance(reference, str) else reference
    if not found:
        kind, owner_id = str(owner["object"]), str(owner["id"])
        noun = f"active discount for {kind}"
        raise no_such(noun, owner_id, param=kind)
    return dict(found)


def delete_discount(context: WriteContext, owner: Doc) -> Doc:
    """Delete the discount of a customer or subscription. Returns its stub.

    Raises:
        ApiError: 404, it has none.
    """
    store = context.mode.store
    doc = current_discount(store, owner)
    if owner.get("discount"):
        owner["discount"] = None
    else:
        owner["discounts"] = [
            each for each in owner["discounts"] if reference_id(each) != doc.get("id")
        ]
    store[str(owner["object"])].put(owner)
    context.log("customer.discount.deleted", doc)
    return {**doc, "deleted": True}


def create_discounts(store: AccountStore, doc: Doc, given: Mapping[str, Any], now: int) -> None:
    """Create the discounts that a creation or an update requests.

    Raises:
        ApiError: 400, there is no such coupon.
    """
    requested = given.get("discounts")
    if requested is None or "discounts" not in doc:
        return
    doc["discounts"] = [
        _create_discount(store, doc, params, f"{now}/{at}", now)
        for at, params in enumerate(requested)
    ]


def _create_discount(
    store: AccountStore, owner: Doc, params: Mapping[str, Any], id_seed: str, now: int
) -> str:
    if params.get("discount"):
        return str(params["discount"])
    code = store.find(("promotion_code",), str(params.get("promotion_code"))) or {}
    coupon = params.get("coupon") or (code.get("promotion") or {}).get("coupon")
    if coupon not in store["coupon"].by_id:
        message = f"No such coupon: '{coupon}'"
        raise bad_request(message, code="resource_missing", param="discounts[0][coupon]")
    doc = blank_object("discount", make_id("discount", 0, f"{owner['id']}/{id_seed}"), now, store)
    field = {"invoiceitem": "invoice_item"}.get(owner["object"], owner["object"])
    doc.update({"customer": owner.get("customer"), "start": now, "promotion_code": code.get("id")})
    doc["source"] = {"coupon": coupon, "type": "coupon"}
    if field in doc:
        doc[field] = owner["id"]
    store["discount"].put(doc)
    return str(doc["id"])
