"""Builds the JSON of responses: lists, objects, stubs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from stripe_sandbox.rendering import api_versions, expansion
from stripe_sandbox.rendering.expansion import ExpansionTree
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.router import Match
from stripe_sandbox.resources.resource_spec import Resource
from stripe_sandbox.state.sandbox_state import Mode, State
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc, StoredObject
from stripe_sandbox.writes.object_writes import not_found
from stripe_sandbox.writes.write_context import WriteContext

EXPAND = {"expand": form_parameters.PAGING["expand"]}
"""The parameters of requests that have no others."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as operations need it."""

    mode: Mode
    version: str
    tree: Mapping[str, Any]
    request_id: str
    idempotency_key: str | None
    decline: str | None = None

    @property
    def store(self) -> AccountStore:
        """The objects of the account and mode."""
        return self.mode.store

    def expansions(self) -> list[str]:
        """The expansion paths, of a request without other parameters.

        Raises:
            ApiError: 400, there is another parameter.
        """
        return form_parameters.coerce_params(self.tree, EXPAND).get("expand") or []

    def write_context(self, state: State) -> WriteContext:
        """The context of what the request writes."""
        return WriteContext(state, self.mode, self.request_id, self.idempotency_key, self.decline)


Operation = Callable[[State, Match, Request], bytes]
"""Runs a request and returns the JSON of the response."""


def list_json(rendered: list[bytes], more: bool, url: str) -> bytes:
    """The JSON of a list, from the JSON of its objects."""
    return b'{"object":"list","data":[%b],"has_more":%b,"url":%b}' % (
        b",".join(rendered),
        b"true" if more else b"false",
        orjson.dumps(url),
    )


def one_object(
    resource: Resource, object_id: str, expansions: list[str], request: Request
) -> bytes:
    """The JSON of one object, or of its stub.

    Raises:
        ApiError: 404 there is none; 400 an expansion path is wrong.
    """
    collection = request.store[resource.object]
    tree = expansion.parse(expansions, resource.object, in_list=False)
    stored = collection.by_id.get(object_id)
    if stored is None:
        stub = collection.deleted_stubs.get(object_id)
        if stub is None:
            raise not_found(resource, object_id)
        return orjson.dumps(stub)
    return render_stored(stored, resource, tree, request)


def render_stored(
    stored: StoredObject, resource: Resource, tree: ExpansionTree, request: Request
) -> bytes:
    """The JSON of a stored object: expanded, in the request's version."""
    if resource.object == "event" or (not tree and api_versions.is_stored_format(request.version)):
        return stored.default_json
    return render_embedded(stored.default_view(), tree, request)


def render_embedded(doc: Doc, tree: ExpansionTree, request: Request) -> bytes:
    """The JSON of an object that is stored inside another one."""
    expansion.apply(doc, tree, request.store, request.version)
    return orjson.dumps(api_versions.downgrade(doc, request.version, request.store))
