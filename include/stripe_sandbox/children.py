"""Lists that live inside their parent: invoice lines, subscription items and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox import forms, listing
from stripe_sandbox.errors import no_such
from stripe_sandbox.listing import ListQuery
from stripe_sandbox.routes import Match
from stripe_sandbox.rows import Resource
from stripe_sandbox.store import AccountStore, Doc


def find_parent(
    match: Match, store: AccountStore, tree: Mapping[str, Any]
) -> tuple[Doc, ListQuery]:
    """The parent that a request names, in its URL or by a parameter, and the paging.

    Raises:
        ApiError: 404 no such parent; 400 a parameter is missing, unknown or does not fit.
    """
    resource = match.route.resource
    assert resource.parent is not None  # noqa: S101 - only such rows have these routes
    name, _ = resource.parent
    rest = dict(tree)
    if match.ids:
        parent_id = match.ids[0]
    else:
        forms.require(rest, frozenset((name,)))
        parent_id = str(rest.pop(name))
    query = listing.parse(resource, rest)
    entry = store[name].by_id.get(parent_id)
    if entry is None:
        status = 404 if match.ids else 400
        raise no_such(name.replace("_", " "), parent_id, param=name, status=status)
    return entry.doc(), query


def page(resource: Resource, parent: Doc, query: ListQuery) -> tuple[list[Doc], bool, str]:
    """One page of a parent's list, in the order the parent has it, with its URL.

    Raises:
        ApiError: 400, the cursor is not in the list.
    """
    assert resource.parent is not None  # noqa: S101 - only such rows have these routes
    field = parent.get(resource.parent[1]) or {}
    data: list[Doc] = list(field.get("data") or [])
    url = str(field.get("url") or resource.path.replace("{id}", str(parent["id"])))
    cursor = query.after or query.before
    if cursor is None:
        return data[: query.limit], len(data) > query.limit, url
    at = next((n for n, doc in enumerate(data) if doc.get("id") == cursor), -1)
    if at < 0:
        param = "starting_after" if query.after else "ending_before"
        raise no_such(resource.object.replace("_", " "), cursor, param=param, status=400)
    if query.after:
        rest = data[at + 1 :]
        return rest[: query.limit], len(rest) > query.limit, url
    first = max(0, at - query.limit)
    return data[first:at], first > 0, url


def find(match: Match, store: AccountStore) -> Doc | None:
    """One object of a parent's list; None when there is none."""
    resource = match.route.resource
    assert resource.parent is not None  # noqa: S101 - only such rows have these routes
    name, field = resource.parent
    child_id = match.ids[-1]
    if len(match.ids) > 1:
        parent = store[name].by_id.get(match.ids[0])
        entries = [parent] if parent is not None else []
    else:
        entries = store[name].index(f"{field}.data.id", child_id)
    for entry in entries:
        for doc in (entry.doc().get(field) or {}).get("data") or []:
            if doc.get("id") == child_id:
                found: Doc = doc
                return found
    return None
