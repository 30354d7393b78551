"""What each operation answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from stripe_sandbox import children, events, expand, forms, listing, versions, writes
from stripe_sandbox.errors import no_such
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.routes import Match
from stripe_sandbox.rows import Resource
from stripe_sandbox.state import Mode, State
from stripe_sandbox.store import HIDDEN_BY_CLOCK, AccountStore, Doc, Entry


@dataclass(frozen=True, slots=True)
class Request:
    """What an operation needs to know of the request."""

    mode: Mode
    version: str
    tree: Mapping[str, Any]
    request_id: str
    idempotency_key: str | None

    @property
    def store(self) -> AccountStore:
        """The objects of the account and mode."""
        return self.mode.store


def run(state: State, match: Match, request: Request) -> bytes:
    """Carry out an operation and return the answer's JSON.

    Raises:
        ApiError: The request is refused.
    """
    return _OPERATIONS[match.route.operation](state, match, request)


def _list(state: State, match: Match, request: Request) -> bytes:
    resource = match.route.resource
    if resource.object == "event":
        request.mode.log.surface()
        query = events.parse(request.mode.log, request.store, request.tree)
    else:
        query = listing.parse(resource, request.tree)
    tree = expand.parse(query.expand, resource.object, in_list=True)
    entries, more = listing.page(request.store[resource.object], query)
    rendered = [render(entry, resource, tree, request) for entry in entries]
    return envelope(rendered, more, resource.path)


def envelope(rendered: list[bytes], more: bool, url: str) -> bytes:
    """A list, as JSON, from the JSON of its objects."""
    return b'{"object":"list","data":[%b],"has_more":%b,"url":%b}' % (
        b",".join(rendered),
        b"true" if more else b"false",
        orjson.dumps(url),
    )


def render(entry: Entry, resource: Resource, tree: expand.Tree, request: Request) -> bytes:
    """An object as the request wants it: expanded, in the request's version."""
    if resource.object == "event" or (not tree and versions.is_newest_shape(request.version)):
        return entry.shown
    doc = expand.apply(entry.view(), tree, request.store)
    return orjson.dumps(versions.render(doc, request.version, request.store))


def _one(resource: Resource, object_id: str, expansions: list[str], request: Request) -> bytes:
    collection = request.store[resource.object]
    tree = expand.parse(expansions, resource.object, in_list=False)
    entry = collection.by_id.get(object_id)
    if entry is None:
        stub = collection.stubs.get(object_id)
        if stub is None:
            raise writes.missing(resource, object_id)
        return orjson.dumps(stub)
    return render(entry, resource, tree, request)


def _retrieve(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, _EXPAND)
    resource, object_id = match.route.resource, match.ids[0]
    if resource.object == "event":
        request.mode.log.surface()
        events.check_age(request.mode.log, request.store, object_id)
    return _one(resource, object_id, given.get("expand") or [], request)


def _self(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, _EXPAND)
    return _one(match.route.resource, request.store.account, given.get("expand") or [], request)


def _write(state: State, request: Request) -> writes.Write:
    return writes.Write(state, request.mode, request.request_id, request.idempotency_key)


def _create(state: State, match: Match, request: Request) -> bytes:
    resource = match.route.resource
    given = forms.coerce_all(request.tree, writes.shapes(resource, "create"))
    expansions = given.pop("expand", None) or []
    expand.parse(expansions, resource.object, in_list=False)
    object_id = writes.create(_write(state, request), resource, given)
    return _one(resource, object_id, expansions, request)


def _update(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    given = forms.coerce_all(request.tree, writes.shapes(resource, "modify"))
    expansions = given.pop("expand", None) or []
    expand.parse(expansions, resource.object, in_list=False)
    writes.update(_write(state, request), resource, object_id, given)
    return _one(resource, object_id, expansions, request)


def _act(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    writes.act(_write(state, request), resource, object_id, match.route.action)
    return _one(resource, object_id, [], request)


def _delete(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    stub: Doc | None = writes.delete(_write(state, request), resource, object_id)
    return _one(resource, object_id, [], request) if stub is None else orjson.dumps(stub)


def _children(state: State, match: Match, request: Request) -> bytes:
    parent, query = children.find_parent(match, request.store, request.tree)
    docs, more, url = children.page(match.route.resource, parent, query)
    tree = expand.parse(query.expand, match.route.resource.object, in_list=True)
    for doc in docs:
        expand.apply(doc, tree, request.store)
        versions.render(doc, request.version, request.store)
    return envelope([orjson.dumps(doc) for doc in docs], more, url)


def _included(state: State, match: Match, request: Request) -> bytes:
    parent, include = match.route.resource, match.route.resource.includes[match.route.action]
    if match.ids[0] not in request.store[parent.object].by_id:
        raise writes.missing(parent, match.ids[0])
    resource = RESOURCES[include.object]
    query = listing.parse(resource, request.tree)
    query.equals.append((include.foreign_key, match.ids[0]))
    query.mask &= ~HIDDEN_BY_CLOCK
    tree = expand.parse(query.expand, resource.object, in_list=True)
    entries, more = listing.page(request.store[resource.object], query)
    rendered = [render(entry, resource, tree, request) for entry in entries]
    return envelope(rendered, more, include.url.replace("{id}", match.ids[0]))


def _child(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, _EXPAND)
    resource = match.route.resource
    tree = expand.parse(given.get("expand") or [], resource.object, in_list=False)
    doc = children.find(match, request.store)
    if doc is None:
        raise no_such(resource.object.replace("_", " "), match.ids[-1], param=resource.key)
    expand.apply(doc, tree, request.store)
    return orjson.dumps(versions.render(doc, request.version, request.store))


_EXPAND = {"expand": forms.PAGING["expand"]}

_OPERATIONS: Mapping[str, Callable[[State, Match, Request], bytes]] = {
    "list": _list,
    "retrieve": _retrieve,
    "self": _self,
    "create": _create,
    "update": _update,
    "act": _act,
    "delete": _delete,
    "children": _children,
    "child": _child,
    "included": _included,
}
