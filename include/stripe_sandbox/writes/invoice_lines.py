"""Changes several lines of a draft invoice at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.errors import bad_request
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.generation.template_fields import id_prefix
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes.object_writes import not_found
from stripe_sandbox.writes.param_merge import merge_params
from stripe_sandbox.writes.write_context import WriteContext


def change_lines(context: WriteContext, match: Match, tree: Mapping[str, Any]) -> str:
    """Add, update or remove lines. Returns the invoice's id.

    Raises:
        ApiError: 404 no such invoice; 400 it is no draft, or there is no such line.
    """
    verb, invoice_id = match.route.operation, match.ids[0]
    given = form_parameters.coerce_params(tree, sdk_schema.params("invoice", verb) or {})
    form_parameters.require_params(given, sdk_schema.required_params("invoice", verb))
    collection = context.mode.store["invoice"]
    stored = collection.by_id.get(invoice_id)
    if stored is None:
        raise not_found(match.route.resource, invoice_id)
    doc, before = stored.doc(), stored.default_view()
    if doc.get("status") != "draft":
        message = "You can only change the lines of draft invoices."
        raise bad_request(message, code="invoice_not_editable")
    page = doc.get("lines") or {"object": "list", "url": f"/v1/invoices/{invoice_id}/lines"}
    data = list(page.get("data") or [])
    for params in given.get("lines") or []:
        data = _change_line(context, verb, data, params, invoice_id)
    total = sum(line.get("amount") or 0 for line in data)
    doc.update(total=total, subtotal=total, amount_due=total, amount_remaining=total)
    doc["lines"] = {**page, "data": data, "has_more": False}
    context.log("invoice.updated", collection.put(doc).default_view(), before)
    return invoice_id


def _change_line(
    context: WriteContext, verb: str, data: list[Doc], params: Mapping[str, Any], invoice_id: str
) -> list[Doc]:
    schemas = sdk_schema.object_fields("line_item")
    if verb == "add_lines":
        new_id = context.state.new_id(id_prefix("line_item"))
        line = blank_object("line_item", new_id, context.now(), context.mode.store)
        merge_params(line, params, schemas)
        return [*data, {**line, "invoice": invoice_id}]
    line = next((each for each in data if each["id"] == params.get("id")), {})
    if not line:
        message = f"No such line item: '{params.get('id')}'"
        raise bad_request(message, code="resource_missing", param="lines")
    if verb == "remove_lines":
        return [each for each in data if each is not line]
    merge_params(line, params, schemas)
    return data
