"""Creations, updates and deletions of what belongs to a parent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stripe_sandbox import children, forms, sdk, side_effects
from stripe_sandbox.children import Family
from stripe_sandbox.entries import Doc, plain_id
from stripe_sandbox.errors import ApiError, bad_request
from stripe_sandbox.generate import blank
from stripe_sandbox.places import PLACES
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.routes import Match
from stripe_sandbox.rows import Place
from stripe_sandbox.sdk import Shape
from stripe_sandbox.slots import prefix_of
from stripe_sandbox.store import AccountStore
from stripe_sandbox.writes import Write, merge

_TOKENS = {"btok_": "bank_account", "ba_": "bank_account", "src_": "source"}


def create(write: Write, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Make a child.

    Raises:
        ApiError: 404 no such parent; 400 a parameter is missing, unknown or does not fit.
    """
    store = write.mode.store
    found = children.family(match, store, tree)
    given = forms.coerce_all(tree, _shapes(found.place, "create"))
    forms.require(given, _required(found.place))
    kind, reference = _reference(found.place, given, store)
    if kind == "source":
        doc = _existing(found, reference)
    else:
        doc = blank(kind, write.state.new_id(prefix_of(kind)), write.now(), store)
        details = reference if isinstance(reference, dict) else {}
        merge(doc, {**given, **details}, sdk.object_fields(kind) or _shapes(found.place, "create"))
    if found.place.owner:
        doc[found.place.owner] = found.parent_id
    before = store[found.place.parent].by_id.get(found.parent_id)
    old = before.view() if before is not None else {}
    if kind in _BORN:
        _BORN[kind](write, found, doc, given)
    if found.place.owner:
        _keep(found, doc)
        doc = store[kind].by_id[store[kind].key(doc)].view()
    else:
        data = found.data()
        _rewrite(found, [doc, *data] if found.place.head else [*data, doc])
    _tell(write, found, "created", doc, old=old)
    return doc


def update(write: Write, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Change a child; nothing is written down when nothing changes.

    Raises:
        ApiError: 404 no such parent or child; 400 a parameter is unknown or does not fit.
    """
    store = write.mode.store
    found = children.family(match, store, {})
    given = forms.coerce_all(tree, _shapes(found.place, "modify"))
    doc = found.child(match.ids[-1])
    before, old = dict(doc), _parent_view(found)
    merge(doc, given, sdk.object_fields(str(doc["object"])))
    if doc["object"] == "subscription_item":
        side_effects.fill_item(store, doc, given, write.now())
    if doc["object"] == "capability":
        doc["status"] = "pending" if doc.get("requested") else "unrequested"
    if doc == before:
        return doc
    if found.place.owner:
        _keep(found, doc)
    else:
        _rewrite(found, [doc if d["id"] == doc["id"] else d for d in found.data()])
    _tell(write, found, "updated", doc, old=old, before=before)
    return doc


def delete(write: Write, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Delete a child, or detach a source. Returns what is left of it.

    Raises:
        ApiError: 404, no such parent or child.
    """
    store = write.mode.store
    found = children.family(match, store, {})
    doc, old = found.child(match.ids[-1]), _parent_view(found)
    left: Doc = {"id": doc["id"], "object": doc["object"], "deleted": True}
    if not found.place.owner:
        _rewrite(found, [d for d in found.data() if d["id"] != doc["id"]])
    elif doc["object"] == "source":
        left = {k: v for k, v in doc.items() if k != found.place.owner}
        store["source"].put(left)
    else:
        store[str(doc["object"])].remove(store[str(doc["object"])].key(doc))
        reflect(store, found.place, found.parent_id)
    _tell(write, found, "deleted", doc, old=old)
    return left


def reflect(store: AccountStore, place: Place, parent_id: str) -> None:
    """Let the parent show its children as they are now, where it does."""
    entry = store[place.parent].by_id.get(parent_id)
    if not place.field or not place.owner or entry is None:
        return
    doc = entry.doc()
    held = [e.doc() for e in reversed(store.owned(place.objects, place.owner, parent_id))]
    if place.paged:
        url = place.url(parent_id)
        doc[place.field] = {"object": "list", "data": held, "has_more": False, "url": url}
    else:
        doc[place.field] = {child["id"]: child["status"] for child in reversed(held)}
    store[place.parent].put(doc)


def settle(store: AccountStore, doc: Doc) -> None:
    """After an object was put in as it is: parents show it, and what it shows is kept."""
    for place in PLACES:
        if not (place.field and place.owner and place.paged):
            continue
        if doc["object"] in place.objects and doc.get(place.owner):
            reflect(store, place, str(plain_id(doc[place.owner])))
        if doc["object"] == place.parent:
            for child in (doc.get(place.field) or {}).get("data") or ():
                store[child["object"]].put({place.owner: doc["id"], **child})


def kinds_of_event(doc: Doc, verb: str) -> tuple[str, ...]:
    """Types of the Stripe events that carry an object, for a verb such as ``created``."""
    row = RESOURCES[str(doc["object"])]
    own: tuple[str, ...] = getattr(row.events, verb)
    for place in PLACES:
        if row.object in place.objects and place.owner and doc.get(place.owner) and not own:
            own = getattr(place.events, verb)
    return own


def _shapes(place: Place, verb: str) -> Mapping[str, Shape]:
    kind = place.objects[0]
    if place.noun:
        found = sdk.params(place.parent, f"{verb}_{place.noun}")
    else:
        found = sdk.params(kind, verb) or sdk.params(kind, "update")
    return {**forms.named(RESOURCES[kind].accepts), **(found or {})}


def _required(place: Place) -> frozenset[str]:
    if place.noun:
        return sdk.required(place.parent, f"create_{place.noun}")
    return sdk.required(place.objects[0], "create")


def _reference(
    place: Place, given: Mapping[str, Any], store: AccountStore
) -> tuple[str, dict[str, Any] | str]:
    """What kind of child is made, and what of: a token, a source or the details themselves."""
    if len(place.objects) == 1:
        return place.objects[0], ""
    value = given.get(place.noun) or ""
    if isinstance(value, dict):
        return str(value.get("object") or place.objects[0]), value
    token = store.find(("token",), value) or {}
    kind = str(token.get("type") or "")
    if kind in place.objects:
        return kind, dict(token.get(kind) or {})
    return next((kind for start, kind in _TOKENS.items() if value.startswith(start)), "card"), value


def _existing(found: Family, reference: Any) -> Doc:
    entry = found.store["source"].by_id.get(str(reference))
    if entry is None:
        message = f"No such source: '{reference}'"
        raise bad_request(message, code="resource_missing", param="source")
    return entry.doc()


def _parent_view(found: Family) -> Doc:
    entry = found.store[found.place.parent].by_id.get(found.parent_id)
    return entry.view() if entry is not None else {}


def _keep(found: Family, doc: Doc) -> None:
    found.store[str(doc["object"])].put(doc)
    reflect(found.store, found.place, found.parent_id)


def _rewrite(found: Family, data: list[Doc]) -> None:
    held = found.parent.get(found.place.field) or {}
    page = {"object": "list", "data": [], "has_more": False, "url": children.url(found), **held}
    found.parent[found.place.field] = {**page, "data": data}
    found.store[found.place.parent].put(found.parent)


def _tell(
    write: Write, found: Family, verb: str, doc: Doc, *, old: Doc, before: Doc | None = None
) -> None:
    for kind in getattr(found.place.events, verb):
        write.log(kind, doc, before)
    for kind in getattr(found.place.parent_events, verb):
        write.log(kind, _parent_view(found), old)


def _part_back(total: str, done: str, all_back: str) -> Callable[[Write, Family, Doc, Any], None]:
    """The rule of a reversal: amounts come back from the parent until nothing is left."""

    def settle_part(write: Write, found: Family, doc: Doc, given: Mapping[str, Any]) -> None:
        parent = found.parent
        left = parent.get(total, 0) - (parent.get(done) or 0)
        amount = given.get("amount", left)
        if not 0 < amount <= left:
            message = f"Amount ({amount}) is greater than what is left ({left})."
            raise ApiError(400, message, param="amount")
        doc.update(amount=amount, currency=parent.get("currency"))
        doc["fee" if found.place.parent == "application_fee" else "transfer"] = found.parent_id
        parent[done] = parent.get(total, 0) - left + amount
        parent[all_back] = amount == left

    return settle_part


def _balance(write: Write, found: Family, doc: Doc, given: Mapping[str, Any]) -> None:
    ending = (found.parent.get("balance") or 0) + given["amount"]
    doc.update(type="adjustment", ending_balance=ending)
    found.parent["balance"] = ending
    found.store["customer"].put(found.parent)


def _tax_id(write: Write, found: Family, doc: Doc, given: Mapping[str, Any]) -> None:
    doc["owner"] = {"type": "customer", "customer": found.parent_id, "customer_account": None}


def _item(write: Write, found: Family, doc: Doc, given: Mapping[str, Any]) -> None:
    fresh = side_effects.new_item(found.parent, len(found.data()), write.now())
    doc.update(fresh, id=doc["id"])
    side_effects.fill_item(found.store, doc, given, write.now())


def _bank_account(write: Write, found: Family, doc: Doc, given: Mapping[str, Any]) -> None:
    doc.update(status="new", country=doc.get("country") or "US")


_BORN: Mapping[str, Callable[[Write, Family, Doc, Mapping[str, Any]], None]] = {
    "bank_account": _bank_account,
    "customer_balance_transaction": _balance,
    "fee_refund": _part_back("amount", "amount_refunded", "refunded"),
    "subscription_item": _item,
    "tax_id": _tax_id,
    "transfer_reversal": _part_back("amount", "amount_reversed", "reversed"),
}
"""What a creation sets beyond its parameters."""
