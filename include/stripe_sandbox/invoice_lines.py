"""Changing several lines of a draft invoice at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox import forms, sdk
from stripe_sandbox.entries import Doc
from stripe_sandbox.errors import bad_request
from stripe_sandbox.generate import blank
from stripe_sandbox.routes import Match
from stripe_sandbox.slots import prefix_of
from stripe_sandbox.writes import Write, merge, missing


def change(write: Write, match: Match, tree: Mapping[str, Any]) -> str:
    """Add, update or remove lines. Returns the invoice's id.

    Raises:
        ApiError: 404 no such invoice; 400 it is no draft, or there is no such line.
    """
    verb, invoice_id = match.route.operation, match.ids[0]
    given = forms.coerce_all(tree, sdk.params("invoice", verb) or {})
    collection = write.mode.store["invoice"]
    entry = collection.by_id.get(invoice_id)
    if entry is None:
        raise missing(match.route.resource, invoice_id)
    doc, before = entry.doc(), entry.view()
    if doc.get("status") != "draft":
        message = "You can only change the lines of draft invoices."
        raise bad_request(message, code="invoice_not_editable")
    page = doc.get("lines") or {"object": "list", "url": f"/v1/invoices/{invoice_id}/lines"}
    data = list(page.get("data") or [])
    for wanted in given.get("lines") or []:
        data = _changed(write, verb, data, wanted, invoice_id)
    total = sum(line.get("amount") or 0 for line in data)
    doc.update(total=total, subtotal=total, amount_due=total, amount_remaining=total)
    doc["lines"] = {**page, "data": data, "has_more": False}
    write.log("invoice.updated", collection.put(doc).view(), before)
    return invoice_id


def _changed(
    write: Write, verb: str, data: list[Doc], wanted: Mapping[str, Any], invoice_id: str
) -> list[Doc]:
    shapes = sdk.object_fields("line_item")
    if verb == "add_lines":
        new_id = write.state.new_id(prefix_of("line_item"))
        line = blank("line_item", new_id, write.now(), write.mode.store)
        merge(line, wanted, shapes)
        return [*data, {**line, "invoice": invoice_id}]
    line = next((one for one in data if one["id"] == wanted.get("id")), {})
    if not line:
        message = f"No such line item: '{wanted.get('id')}'"
        raise bad_request(message, code="resource_missing", param="lines")
    if verb == "remove_lines":
        return [one for one in data if one is not line]
    merge(line, wanted, shapes)
    return data
