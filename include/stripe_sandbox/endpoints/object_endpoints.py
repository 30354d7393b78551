"""Operations on the objects of a resource."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from stripe_sandbox.endpoints.responses import (
    Operation,
    Request,
    list_json,
    one_object,
    render_stored,
)
from stripe_sandbox.lists import event_list, list_query, paging
from stripe_sandbox.rendering import expansion
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.state.sandbox_state import State
from stripe_sandbox.writes import actions, object_writes


def _list(state: State, match: Match, request: Request) -> bytes:
    resource = match.route.resource
    if resource.object == "event":
        request.mode.log.release_due()
        query = event_list.parse(request.mode.log, request.store, request.tree)
    else:
        query = list_query.parse(resource, request.tree)
        list_query.check_targets(resource, request.tree, request.store)
    if request.version < resource.lists_all_since and not request.tree.get("customer"):
        return list_json([], more=False, url=resource.path)
    tree = expansion.parse(query.expand, resource.object, in_list=True)
    objects, more = paging.page(request.store[resource.object], query)
    rendered = [render_stored(stored, resource, tree, request) for stored in objects]
    return list_json(rendered, more, resource.path)


def _retrieve(state: State, match: Match, request: Request) -> bytes:
    expansions = request.expansions()
    resource, object_id = match.route.resource, match.ids[0]
    if resource.object == "event":
        request.mode.log.release_due()
        event_list.check_retention(request.mode.log, request.store, object_id)
    return one_object(resource, object_id, expansions, request)


def _retrieve_account(state: State, match: Match, request: Request) -> bytes:
    return one_object(match.route.resource, request.store.account, request.expansions(), request)


def _create(state: State, match: Match, request: Request) -> bytes:
    resource = match.route.resource
    given = form_parameters.coerce_params(request.tree, object_writes.schemas(resource, "create"))
    expansions = given.pop("expand", None) or []
    expansion.parse(expansions, resource.object, in_list=False)
    object_id = object_writes.create(request.write_context(state), resource, given)
    return one_object(resource, object_id, expansions, request)


def _update(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    given = form_parameters.coerce_params(request.tree, object_writes.schemas(resource, "modify"))
    expansions = given.pop("expand", None) or []
    expansion.parse(expansions, resource.object, in_list=False)
    object_writes.update(request.write_context(state), resource, object_id, given)
    return one_object(resource, object_id, expansions, request)


def _action(state: State, match: Match, request: Request) -> bytes:
    resource, name = match.route.resource, match.route.action
    given = form_parameters.coerce_params(request.tree, actions.schemas(resource, name))
    expansions = given.pop("expand", None) or []
    expansion.parse(expansions, resource.object, in_list=False)
    context = request.write_context(state)
    object_id = actions.run(context, resource, match.ids[0], name, given)
    return one_object(resource, object_id, expansions, request)


def _delete(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    operation = "cancel" if resource.on_delete == "cancel" else "delete"
    given = form_parameters.coerce_params(request.tree, object_writes.schemas(resource, operation))
    expansions = given.pop("expand", None) or []
    stub = object_writes.delete(request.write_context(state), resource, object_id, given)
    if stub is not None:
        return orjson.dumps(stub)
    return one_object(resource, object_id, expansions, request)


OPERATIONS: Mapping[str, Operation] = {
    "list": _list,
    "retrieve": _retrieve,
    "retrieve_account": _retrieve_account,
    "create": _create,
    "update": _update,
    "action": _action,
    "delete": _delete,
}
