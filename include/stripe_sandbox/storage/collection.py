"""The objects of one resource: in order, indexed on demand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import orjson

from stripe_sandbox.resources import sdk_schema
from stripe_sandbox.resources.resource_spec import Resource
from stripe_sandbox.storage.stored_object import (
    EMBEDDED_LIMIT,
    HIDDEN_BY_FILTER,
    RANKS_PER_SECOND,
    Doc,
    JsonObject,
    StoredObject,
    by_rank,
    default_view,
    hidden_reasons,
    reference_id,
    values_at,
)


class Collection:
    """All objects of one resource, oldest first.

    Args:
        resource: Their resource.
        counter: Numbers insertions; collections that share one can be listed together.

    Attributes:
        by_id: Every object, by its id (after its owner's, where ids are unique in that only).
        order: The same, oldest first.
        deleted_stubs: Responses for deleted objects, where Stripe keeps them.
        seeded_counts: Number of seeded objects, by seed.
        unlisted_id: Id of an object that no list contains.
    """

    def __init__(self, resource: Resource, counter: Iterator[int] | None = None) -> None:
        self.resource = resource
        self.unlisted_id = ""
        self.by_id: dict[str, StoredObject] = {}
        self.order: list[StoredObject] = []
        self.deleted_stubs: dict[str, Doc] = {}
        self.seeded_counts: dict[int, int] = {}
        self._indexes: dict[str, dict[Any, list[StoredObject]]] = {}
        self._counter = counter or count(1)
        schemas = sdk_schema.object_fields(resource.object)
        self._pages = [name for name, schema in schemas.items() if schema.kind == "page"]
        self._hidden_fields = (
            *resource.expandable_fields,
            *resource.expandable_lists,
            *resource.internal_fields,
        )

    def __len__(self) -> int:
        return len(self.order)

    def put(self, doc: Doc, *, as_given: bool = False) -> StoredObject:
        """Store an object, and replace the one with its id.

        Args:
            doc: The object.
            as_given: Its default view has all fields, also those that are absent until expanded.
        """
        stored = self._stored_object(doc, () if as_given else self._hidden_fields)
        old = self.by_id.get(stored.id)
        same_rank = old is not None and old.created == stored.created
        if old is not None:
            self._drop(old, keep_in_order=same_rank)
        if old is not None and same_rank:
            stored.rank = old.rank
            self.order[index_of(self.order, old)] = stored
        else:
            _insert(self.order, stored)
        self.by_id[stored.id] = stored
        self.deleted_stubs.pop(stored.id, None)
        for path, index in self._indexes.items():
            for value in set(values_at(doc, path)):
                _insert(index.setdefault(value, []), stored)
        return stored

    def put_many(self, objects: Iterable[StoredObject]) -> None:
        """Store many objects at once; cheaper than one by one."""
        self._indexes.clear()
        for stored in objects:
            self.by_id[stored.id] = stored
            self.deleted_stubs.pop(stored.id, None)
        self.order = sorted(self.by_id.values(), key=by_rank)

    def next_rank(self, created: int) -> int:
        """The rank of the next inserted object."""
        return created * RANKS_PER_SECOND + next(self._counter)

    def index_after(self, second: int) -> int:
        """The index of the first object created after a second."""
        return bisect_left(self.order, (second + 1) * RANKS_PER_SECOND, key=by_rank)

    def key(self, doc: Doc) -> str:
        """The key of an object in ``by_id``."""
        scope = self.resource.id_scope
        return f"{reference_id(doc.get(scope))}/{doc['id']}" if scope else str(doc["id"])

    def remove(self, object_id: str) -> None:
        """Remove an object."""
        self._drop(self.by_id.pop(object_id))

    def index(self, path: str, value: Any) -> list[StoredObject]:
        """The objects with a value at a dotted path, oldest first."""
        if path not in self._indexes:
            built: dict[Any, list[StoredObject]] = {}
            for stored in self.order:
                for found in set(values_at(stored.doc(), path)):
                    built.setdefault(found, []).append(stored)
            self._indexes[path] = built
        return self._indexes[path].get(value, [])

    def _stored_object(self, doc: Doc, hidden_fields: Iterable[str]) -> StoredObject:
        created = doc.get(self.resource.created_field)
        rank = self.next_rank(created if isinstance(created, int) else 0)
        key = self.key(doc)
        hidden = HIDDEN_BY_FILTER if key == self.unlisted_id else hidden_reasons(self.resource, doc)
        json = orjson.dumps(doc)
        return JsonObject(key, rank, hidden, json, self._default_json(doc, hidden_fields))

    def _default_json(self, doc: Doc, hidden_fields: Iterable[str]) -> bytes | None:
        hides = any(name.partition(".")[0] in doc for name in hidden_fields)
        long = any(
            isinstance(page := doc.get(name), dict) and len(page.get("data") or ()) > EMBEDDED_LIMIT
            for name in self._pages
        )
        return orjson.dumps(default_view(doc, hidden_fields)) if hides or long else None

    def _drop(self, stored: StoredObject, *, keep_in_order: bool = False) -> None:
        if not keep_in_order:
            _delete(self.order, stored)
        if self._indexes:
            doc = stored.doc()
            for path, index in self._indexes.items():
                for value in set(values_at(doc, path)):
                    _delete(index.get(value, []), stored)


def _insert(objects: list[StoredObject], stored: StoredObject) -> None:
    if not objects or objects[-1].rank < stored.rank:
        objects.append(stored)
    else:
        insort(objects, stored, key=by_rank)


def _delete(objects: list[StoredObject], stored: StoredObject) -> None:
    at = bisect_left(objects, stored.rank, key=by_rank)
    if at < len(objects) and objects[at] is stored:
        del objects[at]


def index_of(objects: list[StoredObject], stored: StoredObject) -> int:
    """The index of an object in a sorted list; -1 when it is not there."""
    at = bisect_left(objects, stored.rank, key=by_rank)
    return at if at < len(objects) and objects[at] is stored else -1


def index_range(objects: list[StoredObject], first: int, last: int) -> tuple[int, int]:
    """The slice of objects created from second ``first`` to ``last``, both included."""
    low = bisect_left(objects, first * RANKS_PER_SECOND, key=by_rank)
    return low, bisect_right(objects, (last + 1) * RANKS_PER_SECOND - 1, key=by_rank)
