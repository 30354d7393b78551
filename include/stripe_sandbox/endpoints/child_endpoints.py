"""Operations on lists under a parent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stripe_sandbox.endpoints.responses import (
    EXPAND,
    Operation,
    Request,
    list_json,
    render_embedded,
    render_stored,
)
from stripe_sandbox.lists import child_lists
from stripe_sandbox.rendering import expansion
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.state.sandbox_state import State
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes import child_writes
from stripe_sandbox.writes.write_context import WriteContext


def _list_children(state: State, match: Match, request: Request) -> bytes:
    nested_list = match.nested_list
    query = child_lists.parse(nested_list, request.tree)
    found = child_lists.find(match, request.store, request.tree)
    tree = expansion.parse(query.expand, *nested_list.objects, in_list=True)
    if nested_list.owner:
        resource = RESOURCES[nested_list.objects[0]]
        objects, more = child_lists.stored_page(found, query)
        rendered = [render_stored(stored, resource, tree, request) for stored in objects]
    else:
        docs, more = child_lists.embedded_page(found, query)
        rendered = [render_embedded(doc, tree, request) for doc in docs]
    return list_json(rendered, more, child_lists.url(found))


def _retrieve_child(state: State, match: Match, request: Request) -> bytes:
    tree = expansion.parse(request.expansions(), *match.nested_list.objects, in_list=False)
    found = child_lists.find(match, request.store, {})
    return render_embedded(found.child(match.ids[-1]), tree, request)


def _write_operation(write: Callable[[WriteContext, Match, Mapping[str, Any]], Doc]) -> Operation:
    def run(state: State, match: Match, request: Request) -> bytes:
        rest = dict(request.tree)
        given = form_parameters.coerce_params({"expand": rest.pop("expand", {})}, EXPAND)
        expansions = given.get("expand") or []
        tree = expansion.parse(expansions, *match.nested_list.objects, in_list=False)
        doc = write(request.write_context(state), match, rest)
        return render_embedded(doc, tree if not doc.get("deleted") else {}, request)

    return run


OPERATIONS: Mapping[str, Operation] = {
    "list_children": _list_children,
    "retrieve_child": _retrieve_child,
    "create_child": _write_operation(child_writes.create),
    "update_child": _write_operation(child_writes.update),
    "delete_child": _write_operation(child_writes.delete),
    "verify_child": _write_operation(child_writes.verify),
}
