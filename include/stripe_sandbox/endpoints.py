"""What each operation answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from stripe_sandbox import child_writes, children, events, expand, forms, listing, versions, writes
from stripe_sandbox.entries import Doc, Entry
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.routes import Match
from stripe_sandbox.rows import Resource
from stripe_sandbox.state import Mode, State
from stripe_sandbox.store import AccountStore


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


def _list(state: State, match: Match, request: Request) -> bytes:
    resource = match.route.resource
    if resource.object == "event":
        request.mode.log.surface()
        query = events.parse(request.mode.log, request.store, request.tree)
    else:
        query = listing.parse(resource, request.tree)
    if request.version < resource.bare_since and not request.tree.get("customer"):
        return envelope([], more=False, url=resource.path)
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
    doc = expand.apply(entry.view(), tree, request.store, request.version)
    return orjson.dumps(versions.render(doc, request.version, request.store))


def one(resource: Resource, object_id: str, expansions: list[str], request: Request) -> bytes:
    """One object, or what is left of it.

    Raises:
        ApiError: 404 there is none; 400 it cannot be expanded like that.
    """
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
    return one(resource, object_id, given.get("expand") or [], request)


def _self(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, _EXPAND)
    return one(match.route.resource, request.store.account, given.get("expand") or [], request)


def writer(state: State, request: Request) -> writes.Write:
    """Who writes."""
    return writes.Write(state, request.mode, request.request_id, request.idempotency_key)


def _create(state: State, match: Match, request: Request) -> bytes:
    resource = match.route.resource
    given = forms.coerce_all(request.tree, writes.shapes(resource, "create"))
    expansions = given.pop("expand", None) or []
    expand.parse(expansions, resource.object, in_list=False)
    object_id = writes.create(writer(state, request), resource, given)
    return one(resource, object_id, expansions, request)


def _update(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    given = forms.coerce_all(request.tree, writes.shapes(resource, "modify"))
    expansions = given.pop("expand", None) or []
    expand.parse(expansions, resource.object, in_list=False)
    writes.update(writer(state, request), resource, object_id, given)
    return one(resource, object_id, expansions, request)


def _act(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    writes.act(writer(state, request), resource, object_id, match.route.action)
    return one(resource, object_id, [], request)


def _delete(state: State, match: Match, request: Request) -> bytes:
    resource, object_id = match.route.resource, match.ids[0]
    stub: Doc | None = writes.delete(writer(state, request), resource, object_id)
    return one(resource, object_id, [], request) if stub is None else orjson.dumps(stub)


def _children(state: State, match: Match, request: Request) -> bytes:
    place = match.route.place
    assert place is not None  # noqa: S101 - only such routes come here
    query = children.parse(place, request.tree)
    found = children.family(match, request.store, request.tree)
    tree = expand.parse(query.expand, *place.objects, in_list=True)
    if place.owner:
        entries, more = children.entries(found, query)
        rendered = [render(entry, RESOURCES[place.objects[0]], tree, request) for entry in entries]
    else:
        docs, more = children.page(found, query)
        rendered = [dressed(doc, tree, request) for doc in docs]
    return envelope(rendered, more, children.url(found))


def dressed(doc: Doc, tree: expand.Tree, request: Request) -> bytes:
    """An object that lives inside of another one, as the request wants it."""
    expand.apply(doc, tree, request.store, request.version)
    return orjson.dumps(versions.render(doc, request.version, request.store))


def _child(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, _EXPAND)
    place = match.route.place
    assert place is not None  # noqa: S101 - only such routes come here
    tree = expand.parse(given.get("expand") or [], *place.objects, in_list=False)
    found = children.family(match, request.store, {})
    return dressed(found.child(match.ids[-1]), tree, request)


def _create_child(state: State, match: Match, request: Request) -> bytes:
    return _changed_child(child_writes.create, state, match, request)


def _update_child(state: State, match: Match, request: Request) -> bytes:
    return _changed_child(child_writes.update, state, match, request)


def _delete_child(state: State, match: Match, request: Request) -> bytes:
    return _changed_child(child_writes.delete, state, match, request)


def _changed_child(
    change: Callable[[writes.Write, Match, Mapping[str, Any]], Doc],
    state: State,
    match: Match,
    request: Request,
) -> bytes:
    rest = dict(request.tree)
    given = forms.coerce_all({"expand": rest.pop("expand", {})}, _EXPAND)
    place = match.route.place
    assert place is not None  # noqa: S101 - only such routes come here
    tree = expand.parse(given.get("expand") or [], *place.objects, in_list=False)
    doc = change(writer(state, request), match, rest)
    return dressed(doc, tree if not doc.get("deleted") else {}, request)


_EXPAND = {"expand": forms.PAGING["expand"]}

OPERATIONS: Mapping[str, Callable[[State, Match, Request], bytes]] = {
    "list": _list,
    "retrieve": _retrieve,
    "self": _self,
    "create": _create,
    "update": _update,
    "act": _act,
    "delete": _delete,
    "children": _children,
    "child": _child,
    "create_child": _create_child,
    "update_child": _update_child,
    "delete_child": _delete_child,
}
