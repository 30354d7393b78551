"""Actions on one object, such as finalizing an invoice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stripe_sandbox.errors import bad_request, missing_parameter
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.resource_spec import Action, Resource
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes import object_writes, side_effects
from stripe_sandbox.writes.param_merge import merge_params
from stripe_sandbox.writes.payments import attempts, cards, invoice_payments
from stripe_sandbox.writes.write_context import WriteContext

_Rule = Callable[[WriteContext, Doc, Mapping[str, Any]], str | None]


def schemas(resource: Resource, name: str) -> Mapping[str, Schema]:
    """The parameters of an action."""
    return object_writes.schemas(resource, _operation(resource, name))


def required(resource: Resource, name: str) -> frozenset[str]:
    """The required parameters of an action."""
    return sdk_schema.required_params(resource.object, _operation(resource, name))


def _operation(resource: Resource, name: str) -> str:
    """The SDK's name of an action: ``finalize_invoice`` for ``finalize``."""
    long_name = f"{name}_{resource.object}"
    found = sdk_schema.params(resource.object, long_name)
    return name if found is None else long_name


def run(
    context: WriteContext, resource: Resource, object_id: str, name: str, given: dict[str, Any]
) -> str:
    """Run an action. Returns the id of the object that the response has.

    Raises:
        ApiError: 404 no such object; 400 its state does not allow the action, or a parameter is
            missing; 402 a card is declined.
    """
    form_parameters.require_params(given, required(resource, name))
    if resource.object == "payment_method":
        object_id = cards.stored_payment_method(context, object_id)
    action: Action = resource.actions[name]
    collection = context.mode.store[resource.object]
    stored = collection.by_id.get(object_id)
    if stored is None:
        raise object_writes.not_found(resource, object_id)
    doc, before = stored.doc(), stored.default_view()
    _check_state(resource, doc, name, action)
    cards.replace_tokens(context, given)
    if action.merges:
        merge_params(doc, given, object_writes.fields(resource))
    doc.update(action.sets)
    rule = _RULES.get((resource.object, name))
    other = rule(context, doc, given) if rule is not None else None
    side_effects.complete_updated(context.mode.store, doc, {}, context.now())
    after = collection.put(doc).default_view()
    if action.event is not None:
        context.log(action.event, after)
        if action.event not in resource.events.updated and after != before:
            for kind in resource.events.updated:
                context.log(kind, after, before)
    return other or object_id


def _check_state(resource: Resource, doc: Doc, name: str, action: Action) -> None:
    field, allowed = action.only
    if field and doc.get(field) not in allowed:
        noun = resource.object.replace("_", " ")
        message = f"You cannot {name} this {noun} because its {field} is {doc.get(field)}."
        raise bad_request(message, code=f"{resource.object.replace('.', '_')}_unexpected_state")


def _attach(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    customer = given.get("customer")
    if not customer and not given.get("customer_account"):
        name = "customer"
        raise missing_parameter(name)
    if customer and customer not in context.mode.store["customer"].by_id:
        message = f"No such customer: '{customer}'"
        raise bad_request(message, code="resource_missing", param="customer")
    cards.refuse_attachment(context, doc["id"])
    doc["customer"] = customer


def _increment(_: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    if given["amount"] <= doc["amount_capturable"]:
        message = "The amount must be greater than the currently authorized amount."
        raise bad_request(message, param="amount")
    doc["amount_capturable"] = given["amount"]


def _apply_balance(_: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    amount = given.get("amount") or doc["amount"]
    doc.update(
        amount_received=amount, status="succeeded" if amount == doc["amount"] else "processing"
    )


def _cancel_now(context: WriteContext, doc: Doc, _: Mapping[str, Any]) -> None:
    doc["canceled_at"] = context.now()


def _reverse(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> str:
    if doc.get("reversed_by"):
        message = "This payout has already been reversed."
        raise bad_request(message)
    made = {**doc, "id": context.state.new_id("po_"), "created": context.now(), "status": "pending"}
    made.update(amount=-doc["amount"], original_payout=doc["id"], reversed_by=None)
    made["metadata"] = dict(given.get("metadata") or {})
    doc["reversed_by"] = made["id"]
    context.log("payout.created", context.mode.store["payout"].put(made).default_view())
    return str(made["id"])


def _migrate(context: WriteContext, doc: Doc, given: Mapping[str, Any]) -> None:
    mode = {"flexible": None, **given["billing_mode"]}
    doc["billing_mode"] = {**mode, "updated_at": context.now()}


def _close_request(_: WriteContext, doc: Doc, __: Mapping[str, Any]) -> None:
    doc["status"] = "closed"


def _confirm(context: WriteContext, doc: Doc, _: Mapping[str, Any]) -> None:
    attempts.confirm(context, doc)


_RULES: Mapping[tuple[str, str], _Rule] = {
    ("charge", "capture"): lambda _, doc, given: doc.update(
        amount_captured=given.get("amount") or doc["amount"]
    ),
    ("invoice", "finalize"): invoice_payments.request_payment,
    ("invoice", "pay"): invoice_payments.pay_invoice,
    ("invoice", "void"): invoice_payments.cancel_payments,
    ("issuing.authorization", "decline"): _close_request,
    ("payment_intent", "apply_customer_balance"): _apply_balance,
    ("payment_intent", "cancel"): _cancel_now,
    ("payment_intent", "capture"): attempts.capture,
    ("payment_intent", "confirm"): _confirm,
    ("payment_intent", "increment_authorization"): _increment,
    ("payment_method", "attach"): _attach,
    ("payout", "reverse"): _reverse,
    ("setup_intent", "confirm"): _confirm,
    ("subscription", "migrate"): _migrate,
    ("subscription_schedule", "cancel"): _cancel_now,
}
"""What an action does besides setting fields, by kind and name."""
