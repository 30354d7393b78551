"""The verbs of each collection, and the request that a verb and a record make.

A verb is ``create``, ``update``, ``delete`` or the last part of an action's path: ``finalize`` for
``POST /v1/invoices/{id}/finalize``. A record has the parameters of the request, and beside them the
ids that its path needs: ``id``, and the id of the parent where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stripe_sync.catalog import Catalog, Collection
from stripe_sync.catalog.calls import placeholders, reference
from stripe_sync.errors import ConfigurationError

PLAIN_VERBS = ("create", "update", "delete")


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One request that changes something at Stripe.

    Attributes:
        method: ``post`` or ``delete``.
        template: ``/v1/customers/{id}``.
        path_params: Values for the braces.
        body: The parameters, nested as in Stripe's documentation; those of a DELETE go into the
            query string.
        api_version: Stripe-Version, None for the sync's own.
    """

    method: str
    template: str
    path_params: Mapping[str, str]
    body: Mapping[str, Any]
    api_version: str | None = None


def verbs_of(collection: Collection) -> tuple[str, ...]:
    """The verbs that Stripe offers for a collection; empty where it lets nobody write."""
    offered = [verb for verb in PLAIN_VERBS if getattr(collection.mutations, verb)]
    actions = [_action_of(call) for call in collection.mutations.actions]
    return tuple(dict.fromkeys(offered + actions))


def mutable_collections(catalog: Catalog) -> tuple[Collection, ...]:
    """The collections that Stripe lets one write, in the catalogue's order."""
    return tuple(each for each in catalog.values() if verbs_of(each))


def routes_of(collection: Collection, kind: str) -> tuple[tuple[str, str], ...]:
    """Method and template of each route of a verb: ``("post", "/v1/customers/{id}")``.

    Returns:
        The first one whose placeholders a record fills is its route; empty for an unknown verb.
    """
    calls = collection.mutations
    found = (
        getattr(calls, kind)
        if kind in PLAIN_VERBS
        else [call for call in calls.actions if _action_of(call) == kind]
    )
    return tuple(_split(call) for call in found)


def request_of(collection: Collection, kind: str, record: Mapping[str, Any]) -> WriteRequest:
    """The request that a record makes.

    Args:
        collection: Where the object belongs.
        kind: One of ``verbs_of``.
        record: Parameters and ids. An id of a parent may be the parent itself, as objects from
            Stripe have it; null counts as not given.

    Returns:
        The ids in the path are not in the body, and the object's own id only where it is a
        parameter: in a creation.

    Raises:
        ConfigurationError: The verb is not offered, or an id is missing or has an impossible form;
            ``param`` is the field.
    """
    routes = routes_of(collection, kind)
    if not routes:
        raise ConfigurationError(_not_offered(collection, kind), param="kind")
    for method, template in routes:
        names = placeholders(template)
        if all(record.get(name) is not None for name in names):
            path_params = {name: _id_in_path(record, name) for name in names}
            body = _body(record, kind, set(names), routes)
            return WriteRequest(method, template, path_params, body, collection.api_version)
    raise _missing_ids(collection, kind, record, routes)


def _action_of(call: str) -> str:
    return call.rsplit("/", 1)[1]


def _split(call: str) -> tuple[str, str]:
    method, _, template = call.partition(" ")
    return method.lower(), template


def _body(
    record: Mapping[str, Any], kind: str, used: set[str], routes: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    unused = {name for _, template in routes for name in placeholders(template)} - used
    own_id = set() if kind == "create" else {"id"}
    return {
        name: value
        for name, value in record.items()
        if name not in used | own_id and not (name in unused and value is None)
    }


def _id_in_path(record: Mapping[str, Any], name: str) -> str:
    value = record[name] if name == "id" else reference(record[name]) or record[name]
    if problem := _problem_of_id(value):
        message = f"{name} {problem}"
        raise ConfigurationError(message, param=name)
    return str(value)


def _problem_of_id(value: object) -> str | None:
    """Why a value is no id that can stand in a path."""
    if not isinstance(value, str):
        return "must be a text, the id of an object"
    if not value or value != value.strip():
        return "is no id: it is empty, or has spaces around it"
    if value in {".", ".."} or "/" in value:
        return "is no id: it contains '/' or is a folder"
    if not value.isprintable():
        return "is no id: it contains control characters"
    return None


def _missing_ids(
    collection: Collection,
    kind: str,
    record: Mapping[str, Any],
    routes: tuple[tuple[str, str], ...],
) -> ConfigurationError:
    missing = [
        [name for name in placeholders(template) if record.get(name) is None]
        for _, template in routes
    ]
    ways = " or ".join(" and ".join(names) for names in sorted(missing, key=len))
    nearest = min(missing, key=len)
    message = f"{kind} of {collection.id} needs {ways} in each record"
    return ConfigurationError(message, param=nearest[0])


def _not_offered(collection: Collection, kind: str) -> str:
    offered = verbs_of(collection)
    if not offered:
        return f"{collection.id} cannot be written"
    hint = next(iter(_instead(collection, kind)), "")
    return f"{collection.id} has no {kind!r}: it has {', '.join(offered)}{hint}"


def _instead(collection: Collection, kind: str) -> Iterator[str]:
    """What does the same at Stripe as a verb that people expect."""
    if kind == "cancel" and collection.name == "subscription":
        yield "; delete cancels a subscription at once"
    if kind == "detach" and collection.name in ("source", "bank_account"):
        yield "; delete detaches it"
    if kind == "refund":
        yield "; a refund is a create on stripe:refund"
    if kind == "delete" and "cancel" in verbs_of(collection):
        yield "; cancel ends it"
