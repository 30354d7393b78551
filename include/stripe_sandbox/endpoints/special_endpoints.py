"""Operations that no other resource has: discounts, previews, several invoice lines at once."""

from __future__ import annotations

from collections.abc import Mapping

from stripe_sandbox.endpoints import invoice_previews
from stripe_sandbox.endpoints.responses import (
    EXPAND,
    Operation,
    Request,
    list_json,
    one_object,
    render_embedded,
)
from stripe_sandbox.lists import child_lists
from stripe_sandbox.rendering import expansion
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.resource_spec import NestedList
from stripe_sandbox.state.sandbox_state import State
from stripe_sandbox.storage.stored_object import Doc, default_view
from stripe_sandbox.writes import discounts, invoice_lines, object_writes

_SUBJECT = form_parameters.schemas_by_type(
    {"customer": "str", "subscription": "str", "schedule": "str"}
)
_LINES = NestedList("/v1/invoices/{invoice}/lines", "invoice", ("line_item",), "lines")


def _retrieve_discount(state: State, match: Match, request: Request) -> bytes:
    tree = expansion.parse(request.expansions(), "discount", in_list=False)
    doc = discounts.current_discount(request.store, _owner(match, request))
    return render_embedded(doc, tree, request)


def _delete_discount(state: State, match: Match, request: Request) -> bytes:
    request.expansions()
    stub = discounts.delete_discount(request.write_context(state), _owner(match, request))
    return render_embedded(stub, {}, request)


def _owner(match: Match, request: Request) -> Doc:
    stored = request.store[match.route.resource.object].by_id.get(match.ids[0])
    if stored is None:
        raise object_writes.not_found(match.route.resource, match.ids[0])
    return stored.doc()


def _create_preview(state: State, match: Match, request: Request) -> bytes:
    schemas = sdk_schema.params("invoice", "create_preview") or {}
    given = form_parameters.coerce_params(request.tree, schemas)
    tree = expansion.parse(given.get("expand") or [], "invoice", in_list=False)
    doc = invoice_previews.upcoming_invoice(request.store, given, state.new_id("upcoming_in_"))
    invoice_previews.keep_preview(request.store, doc)
    return render_embedded(default_view(doc, ()), tree, request)


def _upcoming_invoice(state: State, match: Match, request: Request) -> bytes:
    given = form_parameters.coerce_params(request.tree, {**_SUBJECT, **EXPAND})
    tree = expansion.parse(given.get("expand") or [], "invoice", in_list=False)
    doc = default_view(invoice_previews.upcoming_invoice(request.store, given, "upcoming"), ())
    query = "&".join(f"{name}={given[name]}" for name in _SUBJECT if given.get(name))
    doc["lines"] = {**doc["lines"], "url": f"/v1/invoices/upcoming/lines?{query}"}
    del doc["id"]
    return render_embedded(doc, tree, request)


def _upcoming_lines(state: State, match: Match, request: Request) -> bytes:
    given = form_parameters.coerce_params(request.tree, {**_SUBJECT, **form_parameters.PAGING})
    doc = invoice_previews.upcoming_invoice(request.store, given, "upcoming")
    query = child_lists.parse(_LINES, {k: v for k, v in request.tree.items() if k not in _SUBJECT})
    found = child_lists.ChildList(_LINES, request.store, "upcoming", doc)
    lines, more = child_lists.embedded_page(found, query)
    tree = expansion.parse(query.expand, "line_item", in_list=True)
    rendered = [render_embedded(line, tree, request) for line in lines]
    return list_json(rendered, more, child_lists.url(found))


def _change_lines(state: State, match: Match, request: Request) -> bytes:
    rest = dict(request.tree)
    given = form_parameters.coerce_params({"expand": rest.pop("expand", {})}, EXPAND)
    invoice_id = invoice_lines.change_lines(request.write_context(state), match, rest)
    return one_object(match.route.resource, invoice_id, given.get("expand") or [], request)


OPERATIONS: Mapping[str, Operation] = {
    "retrieve_discount": _retrieve_discount,
    "delete_discount": _delete_discount,
    "create_preview": _create_preview,
    "upcoming_invoice": _upcoming_invoice,
    "upcoming_lines": _upcoming_lines,
    "add_lines": _change_lines,
    "update_lines": _change_lines,
    "remove_lines": _change_lines,
}
