"""Pages of a list: finds the cursor, and the objects that match."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stripe_sandbox.errors import no_such
from stripe_sandbox.lists.list_query import Check, ListQuery
from stripe_sandbox.storage.collection import Collection, index_of, index_range
from stripe_sandbox.storage.stored_object import StoredObject, values_at


def page(collection: Collection, query: ListQuery) -> tuple[list[StoredObject], bool]:
    """The objects of one page, newest first, and whether the list has more.

    Raises:
        ApiError: 400 resource_missing, the cursor is not in the list.
    """
    noun = collection.resource.object.replace("_", " ")
    return page_of(_candidates(collection, query), collection.by_id.get, query, noun)


def page_of(
    objects: list[StoredObject],
    find: Callable[[str], StoredObject | None],
    query: ListQuery,
    noun: str,
) -> tuple[list[StoredObject], bool]:
    """The same as ``page``, of objects that are sorted oldest first.

    Raises:
        ApiError: 400 resource_missing, the cursor is not in the list.
    """
    low, high = index_range(objects, query.first, query.last)
    cursor = query.after or query.before
    if cursor is None:
        return _matching(objects, range(high - 1, low - 1, -1), query)
    param = "starting_after" if query.after else "ending_before"
    stored = find(cursor)
    at = -1 if stored is None else index_of(objects, stored)
    if stored is None or not low <= at < high or not _matches(stored, query):
        raise no_such(noun, cursor, param=param, status=400)
    if query.after:
        return _matching(objects, range(at - 1, low - 1, -1), query)
    newer, more = _matching(objects, range(at + 1, high), query)
    newer.reverse()
    return newer, more


def _candidates(collection: Collection, query: ListQuery) -> list[StoredObject]:
    """The objects of the smallest index; the other equalities become checks."""
    if not query.equals:
        return collection.order
    found = [(collection.index(path, value), path, value) for path, value in query.equals]
    found.sort(key=lambda triple: len(triple[0]))
    for _, path, value in found[1:]:
        query.checks.append(equality(path, value))
    return found[0][0]


def equality(path: str, value: Any) -> Check:
    """The condition that a dotted path has a value."""
    return lambda doc: value in values_at(doc, path)


def _matches(stored: StoredObject, query: ListQuery) -> bool:
    if stored.hidden & query.hidden_mask:
        return False
    if not query.checks:
        return True
    doc = stored.doc()
    return all(check(doc) for check in query.checks)


def _matching(
    objects: list[StoredObject], indexes: Iterable[int], query: ListQuery
) -> tuple[list[StoredObject], bool]:
    found: list[StoredObject] = []
    for at in indexes:
        stored = objects[at]
        if (stored.hidden or query.checks) and not _matches(stored, query):
            continue
        if len(found) == query.limit:
            return found, True
        found.append(stored)
    return found, False
