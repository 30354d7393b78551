"""The objects of one account and mode: compact, ordered, indexed on demand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import orjson

from stripe_sandbox import sdk
from stripe_sandbox.entries import (
    EMBEDDED,
    HIDDEN_BY_RULE,
    SECOND,
    Doc,
    Entry,
    WrittenEntry,
    by_rank,
    hidden_bits,
    plain_id,
    values_at,
    view,
)
from stripe_sandbox.places import EMBEDDED as PLACES_OF
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.rows import Resource


class Collection:
    """All objects of one resource, oldest first.

    Args:
        resource: What they are.
        counter: Numbers insertions; collections that share one can be listed together.

    Attributes:
        by_id: Every object, by its id (and its owner's, where ids are unique in that only).
        order: The same, oldest first.
        stubs: What is left of deleted objects, where something is.
        seeded: How many objects a seed has made, by the seed.
        own: Id of an object that no list shows.
    """

    def __init__(self, resource: Resource, counter: Iterator[int] | None = None) -> None:
        self.resource = resource
        self.own = ""
        self.by_id: dict[str, Entry] = {}
        self.order: list[Entry] = []
        self.stubs: dict[str, Doc] = {}
        self.seeded: dict[int, int] = {}
        self._indexes: dict[str, dict[Any, list[Entry]]] = {}
        self._counter = counter or count(1)
        shapes = sdk.object_fields(resource.object)
        self._pages = [name for name, shape in shapes.items() if shape.kind == "page"]
        self._secret = (*resource.includable, *resource.includes, *resource.private)

    def __len__(self) -> int:
        return len(self.order)

    def put(self, doc: Doc, *, as_given: bool = False) -> Entry:
        """Store an object, new or in place of the one with its id.

        Args:
            doc: The object.
            as_given: Show all its fields, also those that have to be asked for otherwise.
        """
        entry = self._entry(doc, () if as_given else self._secret)
        old = self.by_id.get(entry.id)
        same_place = old is not None and old.created == entry.created
        if old is not None:
            self._drop(old, keep_place=same_place)
        if old is not None and same_place:
            entry.rank = old.rank
            self.order[position(self.order, old)] = entry
        else:
            _insert(self.order, entry)
        self.by_id[entry.id] = entry
        self.stubs.pop(entry.id, None)
        for path, index in self._indexes.items():
            for value in set(values_at(doc, path)):
                _insert(index.setdefault(value, []), entry)
        return entry

    def put_many(self, entries: Iterable[Entry]) -> None:
        """Store many objects at once; cheaper than one by one."""
        self._indexes.clear()
        for entry in entries:
            self.by_id[entry.id] = entry
            self.stubs.pop(entry.id, None)
        self.order = sorted(self.by_id.values(), key=by_rank)

    def next_rank(self, created: int) -> int:
        """The rank of the object that is inserted next."""
        return created * SECOND + next(self._counter)

    def later(self, moment: int) -> int:
        """Where what was created after a second begins."""
        return bisect_left(self.order, (moment + 1) * SECOND, key=by_rank)

    def key(self, doc: Doc) -> str:
        """What an object is found by."""
        scope = self.resource.scope
        return f"{plain_id(doc.get(scope))}/{doc['id']}" if scope else str(doc["id"])

    def remove(self, object_id: str) -> None:
        """Take an object out."""
        self._drop(self.by_id.pop(object_id))

    def index(self, path: str, value: Any) -> list[Entry]:
        """The objects that hold a value at a dotted path, oldest first."""
        if path not in self._indexes:
            built: dict[Any, list[Entry]] = {}
            for entry in self.order:
                for found in set(values_at(entry.doc(), path)):
                    built.setdefault(found, []).append(entry)
            self._indexes[path] = built
        return self._indexes[path].get(value, [])

    def _entry(self, doc: Doc, secret: Iterable[str]) -> Entry:
        created = doc.get(self.resource.timestamp)
        rank = self.next_rank(created if isinstance(created, int) else 0)
        key = self.key(doc)
        hidden = HIDDEN_BY_RULE if key == self.own else hidden_bits(self.resource, doc)
        raw = orjson.dumps(doc)
        return WrittenEntry(key, rank, hidden, raw, self._shown(doc, secret))

    def _shown(self, doc: Doc, secret: Iterable[str]) -> bytes | None:
        hides = any(name.partition(".")[0] in doc for name in secret)
        long = any(
            isinstance(page := doc.get(name), dict) and len(page.get("data") or ()) > EMBEDDED
            for name in self._pages
        )
        return orjson.dumps(view(doc, secret)) if hides or long else None

    def _drop(self, entry: Entry, *, keep_place: bool = False) -> None:
        if not keep_place:
            _delete(self.order, entry)
        if self._indexes:
            doc = entry.doc()
            for path, index in self._indexes.items():
                for value in set(values_at(doc, path)):
                    _delete(index.get(value, []), entry)


def _insert(entries: list[Entry], entry: Entry) -> None:
    if not entries or entries[-1].rank < entry.rank:
        entries.append(entry)
    else:
        insort(entries, entry, key=by_rank)


def _delete(entries: list[Entry], entry: Entry) -> None:
    at = bisect_left(entries, entry.rank, key=by_rank)
    if at < len(entries) and entries[at] is entry:
        del entries[at]


def position(entries: list[Entry], entry: Entry) -> int:
    """Where an object stands among sorted ones; -1 when it is not there."""
    at = bisect_left(entries, entry.rank, key=by_rank)
    return at if at < len(entries) and entries[at] is entry else -1


def span(entries: list[Entry], first: int, last: int) -> tuple[int, int]:
    """The slice of what was created from second ``first`` to ``last``, both included."""
    low = bisect_left(entries, first * SECOND, key=by_rank)
    return low, bisect_right(entries, (last + 1) * SECOND - 1, key=by_rank)


class AccountStore:
    """Everything that one account has in one mode.

    Args:
        account: Its id.
        livemode: Whether this is the live mode's store.

    Attributes:
        previews: Computed invoices whose lines can still be paged, by their temporary ids.
    """

    def __init__(self, account: str, *, livemode: bool) -> None:
        self.account = account
        self.livemode = livemode
        counter = count(1)
        self.collections = {name: Collection(row, counter) for name, row in RESOURCES.items()}
        self["account"].own = account
        self.previews: dict[str, Doc] = {}

    def __getitem__(self, name: str) -> Collection:
        return self.collections[name]

    def find(self, targets: Iterable[str], object_id: str) -> Doc | None:
        """The object with an id among some kinds, as shown by default; None when unknown."""
        for name in targets:
            collection = self.collections.get(name)
            if collection is None:
                continue
            if object_id in collection.by_id:
                return collection.by_id[object_id].view()
            if object_id in collection.stubs:
                return dict(collection.stubs[object_id])
            if name in PLACES_OF:
                inside = self.inside(name, object_id)
                if inside is not None:
                    return inside
        return None

    def owned(self, kinds: Iterable[str], owner: str, owner_id: str) -> list[Entry]:
        """The objects of some kinds that name an owner, oldest first."""
        found = [self[kind].index(owner, owner_id) for kind in kinds]
        if len(found) == 1:
            return found[0]
        return sorted((entry for entries in found for entry in entries), key=by_rank)

    def inside(self, kind: str, object_id: str) -> Doc | None:
        """The object with an id among those that live inside of their parents."""
        for place in PLACES_OF[kind]:
            for entry in self[place.parent].index(f"{place.field}.data.id", object_id):
                for doc in (entry.doc().get(place.field) or {}).get("data") or []:
                    if doc.get("id") == object_id:
                        return dict(doc)
        return None

    def every(self, kind: str) -> Iterator[Doc]:
        """All objects of a kind: its own collection's, then those inside of their parents."""
        collection = self[kind]
        yield from (entry.doc() for entry in collection.order if entry.id != collection.own)
        for place in PLACES_OF.get(kind, ()):
            for entry in self[place.parent].order:
                yield from (entry.doc().get(place.field) or {}).get("data") or ()
