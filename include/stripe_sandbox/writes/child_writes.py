"""Creations, updates and deletions of children in a list under their parent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stripe_sandbox.errors import ApiError, bad_request
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import id_prefix
from stripe_sandbox.lists import child_lists
from stripe_sandbox.lists.child_lists import ChildList
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import NestedList
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes import child_relations, side_effects
from stripe_sandbox.writes.param_merge import merge_params
from stripe_sandbox.writes.payments import cards
from stripe_sandbox.writes.write_context import WriteContext

_VERIFICATION = {"amounts": Schema("list", item=Schema("int"))}
_TOKENS = {"btok_": "bank_account", "ba_": "bank_account", "src_": "source"}


def create(context: WriteContext, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Create a child.

    Raises:
        ApiError: 404 no such parent; 400 a parameter is missing, unknown or has another type.
    """
    store = context.mode.store
    found = child_lists.find(match, store, tree)
    given = form_parameters.coerce_params(tree, _schemas(found.nested_list, "create"))
    form_parameters.require_params(given, _required(found.nested_list))
    kind, reference = _child_source(found.nested_list, given, store)
    cards.refuse_attachment(context, reference)
    if kind == "source":
        doc = _existing_source(found, reference)
    else:
        doc = blank_object(kind, context.state.new_id(id_prefix(kind)), context.now(), store)
        details = reference if isinstance(reference, dict) else {}
        merge_params(
            doc,
            {**given, **details},
            sdk_schema.object_fields(kind) or _schemas(found.nested_list, "create"),
        )
    if found.nested_list.owner:
        doc[found.nested_list.owner] = found.parent_id
    before = store[found.nested_list.parent].by_id.get(found.parent_id)
    old = before.default_view() if before is not None else {}
    if kind in _CREATION_RULES:
        _CREATION_RULES[kind](context, found, doc, given)
    if found.nested_list.owner:
        _store_child(found, doc)
        doc = store[kind].by_id[store[kind].key(doc)].default_view()
    else:
        data = found.data()
        _replace_embedded(found, [doc, *data] if found.nested_list.newest_first else [*data, doc])
    _log_events(context, found, "created", doc, old=old)
    return doc


def update(context: WriteContext, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Update a child; without a change there is no Stripe event.

    Raises:
        ApiError: 404 no such parent or child; 400 a parameter is unknown or has another type.
    """
    store = context.mode.store
    found = child_lists.find(match, store, {})
    given = form_parameters.coerce_params(tree, _schemas(found.nested_list, "modify"))
    doc = found.child(match.ids[-1])
    before, old = dict(doc), _parent_view(found)
    merge_params(doc, given, sdk_schema.object_fields(str(doc["object"])))
    if doc["object"] == "subscription_item":
        side_effects.apply_item_params(store, doc, given, context.now())
    if doc["object"] == "capability":
        doc["status"] = "pending" if doc.get("requested") else "unrequested"
    if doc == before:
        return doc
    if found.nested_list.owner:
        _store_child(found, doc)
    else:
        _replace_embedded(found, [doc if d["id"] == doc["id"] else d for d in found.data()])
    _log_events(context, found, "updated", doc, old=old, before=before)
    return doc


def delete(context: WriteContext, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Delete a child, or detach a source. Returns the stub or the source.

    Raises:
        ApiError: 404, no such parent or child.
    """
    store = context.mode.store
    found = child_lists.find(match, store, {})
    form_parameters.coerce_params(tree, _schemas(found.nested_list, "delete"))
    doc, old = found.child(match.ids[-1]), _parent_view(found)
    response: Doc = {"id": doc["id"], "object": doc["object"], "deleted": True}
    if not found.nested_list.owner:
        _replace_embedded(found, [d for d in found.data() if d["id"] != doc["id"]])
    elif doc["object"] == "source":
        response = {k: v for k, v in doc.items() if k != found.nested_list.owner}
        store["source"].put(response)
    else:
        store[str(doc["object"])].remove(store[str(doc["object"])].key(doc))
        child_relations.refresh_parent(store, found.nested_list, found.parent_id)
    _log_events(context, found, "deleted", doc, old=old)
    return response


def verify(context: WriteContext, match: Match, tree: Mapping[str, Any]) -> Doc:
    """Verify a bank account by the amounts of two deposits.

    Raises:
        ApiError: 404 no such parent or child; 400 it is no new bank account.
    """
    found = child_lists.find(match, context.mode.store, {})
    form_parameters.coerce_params(tree, _VERIFICATION)
    doc = found.child(match.ids[-1])
    if doc["object"] != "bank_account" or doc.get("status") != "new":
        message = "You cannot verify this source: it is no bank account whose status is new."
        raise bad_request(message)
    before, old = dict(doc), _parent_view(found)
    doc["status"] = "verified"
    _store_child(found, doc)
    _log_events(context, found, "updated", doc, old=old, before=before)
    return doc


def _schemas(nested_list: NestedList, verb: str) -> Mapping[str, Schema]:
    kind = nested_list.objects[0]
    if nested_list.sdk_noun:
        found = sdk_schema.params(nested_list.parent, f"{verb}_{nested_list.sdk_noun}")
    else:
        found = sdk_schema.params(kind, verb) or sdk_schema.params(kind, "update")
    return {**form_parameters.schemas_by_type(RESOURCES[kind].extra_params), **(found or {})}


def _required(nested_list: NestedList) -> frozenset[str]:
    if nested_list.sdk_noun:
        return sdk_schema.required_params(nested_list.parent, f"create_{nested_list.sdk_noun}")
    return sdk_schema.required_params(nested_list.objects[0], "create")


def _child_source(
    nested_list: NestedList, given: Mapping[str, Any], store: AccountStore
) -> tuple[str, dict[str, Any] | str]:
    """The kind of a new child, and its source: the details, or the id of a source."""
    if len(nested_list.objects) == 1:
        return nested_list.objects[0], ""
    value = given.get(nested_list.sdk_noun) or ""
    if isinstance(value, dict):
        return str(value.get("object") or nested_list.objects[0]), value
    token = store.find(("token",), value) or {}
    kind = str(token.get("type") or "")
    if kind in nested_list.objects:
        return kind, dict(token.get(kind) or {})
    return next((kind for start, kind in _TOKENS.items() if value.startswith(start)), "card"), value


def _existing_source(found: ChildList, reference: Any) -> Doc:
    stored = found.store["source"].by_id.get(str(reference))
    if stored is None:
        message = f"No such source: '{reference}'"
        raise bad_request(message, code="resource_missing", param="source")
    return stored.doc()


def _parent_view(found: ChildList) -> Doc:
    stored = found.store[found.nested_list.parent].by_id.get(found.parent_id)
    return stored.default_view() if stored is not None else {}


def _store_child(found: ChildList, doc: Doc) -> None:
    found.store[str(doc["object"])].put(doc)
    child_relations.refresh_parent(found.store, found.nested_list, found.parent_id)


def _replace_embedded(found: ChildList, data: list[Doc]) -> None:
    old = found.parent.get(found.nested_list.field) or {}
    page = {"object": "list", "data": [], "has_more": False, "url": child_lists.url(found), **old}
    found.parent[found.nested_list.field] = {**page, "data": data}
    found.store[found.nested_list.parent].put(found.parent)


def _log_events(
    context: WriteContext,
    found: ChildList,
    verb: str,
    doc: Doc,
    *,
    old: Doc,
    before: Doc | None = None,
) -> None:
    for kind in getattr(found.nested_list.events, verb):
        context.log(kind, doc, before)
    for kind in getattr(found.nested_list.parent_events, verb):
        context.log(kind, _parent_view(found), old)


def _reversal_rule(
    total: str, reversed_field: str, is_whole: str
) -> Callable[[WriteContext, ChildList, Doc, Any], None]:
    """The rule of reversals: each takes an amount back until nothing of the parent is left."""

    def reverse(
        context: WriteContext, found: ChildList, doc: Doc, given: Mapping[str, Any]
    ) -> None:
        parent = found.parent
        left = parent.get(total, 0) - (parent.get(reversed_field) or 0)
        amount = given.get("amount", left)
        if not 0 < amount <= left:
            message = f"Amount ({amount}) is greater than what is left ({left})."
            raise ApiError(400, message, param="amount")
        doc.update(amount=amount, currency=parent.get("currency"))
        of_fee = found.nested_list.parent == "application_fee"
        doc["fee" if of_fee else "transfer"] = found.parent_id
        parent[reversed_field] = parent.get(total, 0) - left + amount
        parent[is_whole] = amount == left

    return reverse


def _balance(context: WriteContext, found: ChildList, doc: Doc, given: Mapping[str, Any]) -> None:
    ending = (found.parent.get("balance") or 0) + given["amount"]
    doc.update(type="adjustment", ending_balance=ending)
    found.parent["balance"] = ending
    found.store["customer"].put(found.parent)


def _tax_id(context: WriteContext, found: ChildList, doc: Doc, given: Mapping[str, Any]) -> None:
    doc["owner"] = {"type": "customer", "customer": found.parent_id, "customer_account": None}


def _item(context: WriteContext, found: ChildList, doc: Doc, given: Mapping[str, Any]) -> None:
    item = side_effects.new_subscription_item(found.parent, len(found.data()), context.now())
    doc.update(item, id=doc["id"])
    side_effects.apply_item_params(found.store, doc, given, context.now())


def _bank_account(
    context: WriteContext, found: ChildList, doc: Doc, given: Mapping[str, Any]
) -> None:
    doc.update(status="new", country=doc.get("country") or "US")


_CREATION_RULES: Mapping[str, Callable[[WriteContext, ChildList, Doc, Mapping[str, Any]], None]] = {
    "bank_account": _bank_account,
    "customer_balance_transaction": _balance,
    "fee_refund": _reversal_rule("amount", "amount_refunded", "refunded"),
    "subscription_item": _item,
    "tax_id": _tax_id,
    "transfer_reversal": _reversal_rule("amount", "amount_reversed", "reversed"),
}
"""Sets the fields of a new child that are no parameters, by kind."""
