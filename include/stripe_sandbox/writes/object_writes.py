"""Creations, updates, deletions and actions, with the Stripe events that they write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import bad_request, no_such
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import id_prefix
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.resource_spec import Action, Resource
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes import side_effects
from stripe_sandbox.writes.param_merge import merge_params
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
        ApiError: 400, a required parameter is missing or the id is taken.
    """
    form_parameters.require_params(given, sdk_schema.required_params(resource.object, "create"))
    collection = context.mode.store[resource.object]
    object_id = str(given.pop("id", None) or context.state.new_id(id_prefix(resource.object)))
    if object_id in collection.by_id:
        noun = resource.object.replace("_", " ").capitalize()
        message = f"{noun} already exists."
        raise bad_request(message, code="resource_already_exists", param="id")
    doc = blank_object(resource.object, object_id, context.now(), context.mode.store)
    merge_params(doc, given, _fields(resource))
    doc["id"] = object_id
    side_effects.complete_created(context.mode.store, doc, given, context.now())
    view = collection.put(doc).default_view()
    silent = resource.object == "tax_id" and doc["customer"] is None
    for kind in () if silent else resource.events.created:
        context.log(kind, view)
    for change in side_effects.after_create(context.mode.store, doc):
        context.log(*change)
    for change in side_effects.new_discounts(context.mode.store, doc, given):
        context.log(*change)
    return object_id


def _fields(resource: Resource) -> Mapping[str, Schema]:
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
    doc, before = stored.doc(), stored.default_view()
    merge_params(doc, given, sdk_schema.object_fields(resource.object))
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


def delete(context: WriteContext, resource: Resource, object_id: str) -> Doc | None:
    """Delete an object, or cancel it where DELETE cancels.

    Returns:
        The stub for the response; None for an object that is cancelled, and stays.

    Raises:
        ApiError: 404, there is no such object.
    """
    collection = context.mode.store[resource.object]
    stored = collection.by_id.get(object_id)
    stub: Doc = {"id": object_id, "object": resource.object, "deleted": True}
    if stored is None:
        raise not_found(resource, object_id)
    if resource.on_delete == "cancel":
        _cancel(context, resource, stored.doc())
        return None
    side_effects.check_deletable(stored.doc())
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


def run_action(context: WriteContext, resource: Resource, object_id: str, name: str) -> None:
    """Run an action, such as finalizing an invoice.

    Raises:
        ApiError: 404 no such object; 400 its state does not allow the action.
    """
    action: Action = resource.actions[name]
    collection = context.mode.store[resource.object]
    stored = collection.by_id.get(object_id)
    if stored is None:
        raise not_found(resource, object_id)
    doc, before = stored.doc(), stored.default_view()
    field, refused = action.unless
    if field and doc.get(field) in refused:
        message = f"This {resource.object} is {doc[field]}: you cannot {name} it."
        raise bad_request(message, code=f"{resource.object}_unexpected_state")
    doc.update(action.sets)
    side_effects.complete_updated(context.mode.store, doc, {}, context.now())
    after = collection.put(doc).default_view()
    if action.event is not None:
        context.log(action.event, after)
        if action.event not in resource.events.updated:
            for kind in resource.events.updated:
                context.log(kind, after, before)


def not_found(resource: Resource, object_id: str) -> Exception:
    """The 404 of an object that does not exist."""
    return no_such(resource.object.replace("_", " "), object_id, param=resource.id_param)


def _cancel(context: WriteContext, resource: Resource, doc: Doc) -> None:
    if doc.get("status") in _FINAL:
        raise not_found(resource, str(doc["id"]))
    doc.update(status="canceled", canceled_at=context.now(), ended_at=context.now())
    view = context.mode.store[resource.object].put(doc).default_view()
    for kind in resource.events.deleted:
        context.log(kind, view)
