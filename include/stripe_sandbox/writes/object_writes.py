"""Creations, updates, deletions and actions, with the Stripe events that they write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import id_prefix
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.resource_spec import Resource
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes import side_effects, subscription_invoices
from stripe_sandbox.writes.param_merge import merge_params
from stripe_sandbox.writes.payments import attempts, cards
from stripe_sandbox.writes.write_context import WriteContext

_EXPAND: Mapping[str, Schema] = {"expand": Schema("list", item=Schema("str"))}
_FINAL = frozenset(("canceled", "incomplete_expired"))


def schemas(resource: Resource, operation: str) -> Mapping[str, Schema]:
    """The parameters of a write."""
    known = sdk_schema.params(resource.object, operation) or {}
    return {**known, **form_parameters.schemas_by_type(resource.extra_params), **_EXPAND}


def create(context: WriteContext, resource: Resource, given: dict[str, Any]) -> str:
    """Create an object. Returns its id.

    Raises:
        ApiError: 400 a required parameter is missing or the id is taken; 402 a card is declined.
    """
    form_parameters.require_params(given, sdk_schema.required_params(resource.object, "create"))
    collection = context.mode.store[resource.object]
    object_id = str(given.pop("id", None) or context.state.new_id(id_prefix(resource.object)))
    if object_id in collection.by_id:
        noun = resource.object.replace("_", " ").capitalize()
        message = f"{noun} already exists."
        raise bad_request(message, code="resource_already_exists", param="id")
    if resource.object == "customer":
        cards.refuse_attachment(context, given.get("source") or given.get("payment_method"))
    cards.replace_tokens(context, given)
    doc = blank_object(resource.object, object_id, context.now(), context.mode.store)
    merge_params(doc, given, fields(resource))
    doc["id"] = object_id
    side_effects.complete_created(context.mode.store, doc, given, context.now())
    attempts.prepare_created(context, doc, given)
    if resource.object == "subscription":
        subscription_invoices.prepare_first_invoice(context, doc)
    view = collection.put(doc).default_view()
    for kind in _created_events(resource, doc):
        context.log(kind, view)
    for change in side_effects.after_create(context.mode.store, doc):
        context.log(*change)
    for change in side_effects.new_discounts(context.mode.store, doc, given):
        context.log(*change)
    _finish_created(context, doc, given)
    return object_id


def _created_events(resource: Resource, doc: Doc) -> tuple[str, ...]:
    if resource.object == "tax_id" and doc["customer"] is None:
        return ()
    if resource.object == "charge" and doc["status"] == "failed":
        return ("charge.failed",)
    return resource.events.created


def _finish_created(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    """Write what Stripe makes after the object itself: invoice, price, attempt to pay."""
    if doc["object"] == "subscription":
        subscription_invoices.pay_first_invoice(context, doc)
    if doc["object"] == "product" and given.get("default_price_data"):
        price = {**given["default_price_data"], "product": doc["id"]}
        price_id = create(context, RESOURCES["price"], price)
        collection = context.mode.store["product"]
        before = collection.by_id[str(doc["id"])].default_view()
        doc["default_price"] = price_id
        context.log("product.updated", collection.put(doc).default_view(), before)
    attempts.finish_created(context, doc, given)


def fields(resource: Resource) -> Mapping[str, Schema]:
    """The fields of an object that parameters may set."""
    return sdk_schema.object_fields(resource.object) or form_parameters.schemas_by_type(
        resource.extra_params
    )


def update(
    context: WriteContext, resource: Resource, object_id: str, given: dict[str, Any]
) -> None:
    """Update an object; without a change there is no Stripe event.

    Raises:
        ApiError: 404, there is no such object.
    """
    collection = context.mode.store[resource.object]
    stored = collection.by_id.get(object_id)
    if stored is None:
        raise not_found(resource, object_id)
    cards.replace_tokens(context, given)
    doc, before = stored.doc(), stored.default_view()
    merge_params(doc, given, fields(resource))
    side_effects.complete_updated(context.mode.store, doc, given, context.now())
    if doc == stored.doc():
        return
    if "updated" in doc:
        doc["updated"] = context.now()
    after = collection.put(doc).default_view()
    for kind in resource.events.updated:
        context.log(kind, after, before)
    for change in side_effects.new_discounts(context.mode.store, doc, given):
        context.log(*change)


def delete(
    context: WriteContext, resource: Resource, object_id: str, given: Mapping[str, Any]
) -> Doc | None:
    """Delete an object, or cancel it where DELETE cancels.

    Returns:
        The stub for the response; None for an object that is cancelled, and stays.

    Raises:
        ApiError: 404 there is no such object; 400 its state forbids it.
    """
    collection = context.mode.store[resource.object]
    stored = collection.by_id.get(object_id)
    stub: Doc = {"id": object_id, "object": resource.object, "deleted": True}
    if stored is None:
        raise not_found(resource, object_id)
    if resource.on_delete == "cancel":
        _cancel(context, resource, stored.doc(), given)
        return None
    side_effects.check_deletable(context.mode.store, stored.doc())
    view = stored.default_view()
    collection.remove(object_id)
    if resource.on_delete == "stub":
        collection.deleted_stubs[object_id] = stub
        for change in side_effects.after_customer_deleted(
            context.mode.store, object_id, context.now()
        ):
            context.log(*change)
    for kind in resource.events.deleted:
        context.log(kind, view)
    return stub


def not_found(resource: Resource, object_id: str) -> Exception:
    """The 404 of an object that does not exist."""
    return no_such(resource.object.replace("_", " "), object_id, param=resource.id_param)


def _cancel(context: WriteContext, resource: Resource, doc: Doc, given: Mapping[str, Any]) -> None:
    if doc.get("status") in _FINAL:
        raise not_found(resource, str(doc["id"]))
    merge_params(doc, given, fields(resource))
    doc.update(status="canceled", canceled_at=context.now(), ended_at=context.now())
    view = context.mode.store[resource.object].put(doc).default_view()
    for kind in resource.events.deleted:
        context.log(kind, view)
