"""The objects of one account and mode: compact, ordered, indexed on demand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import orjson

from stripe_sandbox import sdk
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.rows import Resource

Doc = dict[str, Any]

EMBEDDED = 10
"""How many objects of an embedded list are shown; the rest has to be listed."""

_SECOND = 1 << 40
_RANK = attrgetter("rank")

HIDDEN_BY_RULE, HIDDEN_BY_CLOCK = 1, 2


class Entry:
    """One stored object.

    Attributes:
        id: Its id.
        rank: Creation second and order of insertion in one number; lists are sorted by it.
        hidden: Bits: why bare lists leave it out.
    """

    __slots__ = ("hidden", "id", "rank")

    def __init__(self, object_id: str, rank: int, hidden: int) -> None:
        self.id = object_id
        self.rank = rank
        self.hidden = hidden

    @property
    def created(self) -> int:
        """The creation time in seconds since 1970."""
        return self.rank // _SECOND

    @property
    def raw(self) -> bytes:
        """The whole object in the newest version, as JSON."""
        raise NotImplementedError

    @property
    def shown(self) -> bytes:
        """The default rendering in the newest version, as JSON."""
        raise NotImplementedError

    def doc(self) -> Doc:
        """The whole object."""
        found: Doc = orjson.loads(self.raw)
        return found

    def view(self) -> Doc:
        """The object as shown by default."""
        found: Doc = orjson.loads(self.shown)
        return found


class WrittenEntry(Entry):
    """An object that is kept as JSON; twice, when its default rendering differs."""

    __slots__ = ("_raw", "_shown")

    def __init__(self, object_id: str, rank: int, hidden: int, raw: bytes, shown: bytes | None):
        super().__init__(object_id, rank, hidden)
        self._raw = raw
        self._shown = shown

    @property
    def raw(self) -> bytes:
        """The whole object in the newest version, as JSON."""
        return self._raw

    @property
    def shown(self) -> bytes:
        """The default rendering in the newest version, as JSON."""
        return self._raw if self._shown is None else self._shown


def plain_id(value: Any) -> Any:
    """A reference as an id, though the object may have been stored in its place."""
    return value.get("id") if isinstance(value, dict) else value


def values_at(doc: Any, path: str) -> Iterator[Any]:
    """What stands at a dotted path; lists on the way are gone through."""
    head, _, rest = path.partition(".")
    found = doc.get(head) if isinstance(doc, dict) else None
    for value in found if isinstance(found, list) else [found]:
        if rest:
            yield from values_at(value, rest)
        else:
            yield plain_id(value)


def cut(page: Doc) -> Doc:
    """An embedded list as shown inside its parent: the first objects only."""
    data = page.get("data")
    if isinstance(data, list) and len(data) > EMBEDDED:
        return {**page, "data": data[:EMBEDDED], "has_more": True}
    return page


def view(doc: Doc, secret: Iterable[str]) -> Doc:
    """An object as shown by default: without what has to be asked for, embedded lists cut."""
    hidden = set(secret)
    return {
        name: cut(value) if isinstance(value, dict) and value.get("object") == "list" else value
        for name, value in doc.items()
        if name not in hidden
    }


def hidden_bits(resource: Resource, doc: Doc) -> int:
    """Why bare lists leave an object out."""
    rule = resource.listed
    by_rule = HIDDEN_BY_RULE if rule is not None and rule.hides(doc) else 0
    by_clock = HIDDEN_BY_CLOCK if resource.clocked and doc.get("test_clock") else 0
    return by_rule | by_clock


class Collection:
    """All objects of one resource, oldest first.

    Attributes:
        by_id: Every object.
        order: The same, oldest first.
        stubs: What is left of deleted objects, where something is.
        seeded: How many objects a seed has made, by the seed.
    """

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.by_id: dict[str, Entry] = {}
        self.order: list[Entry] = []
        self.stubs: dict[str, Doc] = {}
        self.seeded: dict[int, int] = {}
        self._indexes: dict[str, dict[Any, list[Entry]]] = {}
        self._inserted = 0
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
        self.order = sorted(self.by_id.values(), key=_RANK)

    def next_rank(self, created: int) -> int:
        """The rank of the object that is inserted next."""
        self._inserted += 1
        return created * _SECOND + self._inserted

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
        hidden = hidden_bits(self.resource, doc)
        raw = orjson.dumps(doc)
        return WrittenEntry(str(doc["id"]), rank, hidden, raw, self._shown(doc, secret))

    def _shown(self, doc: Doc, secret: Iterable[str]) -> bytes | None:
        hides = any(name in doc for name in secret)
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
        insort(entries, entry, key=_RANK)


def _delete(entries: list[Entry], entry: Entry) -> None:
    at = bisect_left(entries, entry.rank, key=_RANK)
    if at < len(entries) and entries[at] is entry:
        del entries[at]


def position(entries: list[Entry], entry: Entry) -> int:
    """Where an object stands among sorted ones; -1 when it is not there."""
    at = bisect_left(entries, entry.rank, key=_RANK)
    return at if at < len(entries) and entries[at] is entry else -1


def span(entries: list[Entry], first: int, last: int) -> tuple[int, int]:
    """The slice of what was created from second ``first`` to ``last``, both included."""
    low = bisect_left(entries, first * _SECOND, key=_RANK)
    return low, bisect_right(entries, (last + 1) * _SECOND - 1, key=_RANK)


class AccountStore:
    """Everything that one account has in one mode.

    Args:
        account: Its id.
        livemode: Whether this is the live mode's store.
    """

    def __init__(self, account: str, *, livemode: bool) -> None:
        self.account = account
        self.livemode = livemode
        self.collections = {name: Collection(row) for name, row in RESOURCES.items()}

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
        return None
