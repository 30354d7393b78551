"""Stored objects: compact, with the default rendering beside the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import orjson

from stripe_sandbox.rows import Resource

Doc = dict[str, Any]

EMBEDDED = 10
"""How many objects of an embedded list are shown; the rest has to be listed."""

SECOND = 1 << 40
"""Ranks per second."""

by_rank = attrgetter("rank")
"""What stored objects are sorted by."""

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
        return self.rank // SECOND

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
    """An object as shown by default: without what has to be asked for, embedded lists cut.

    A dotted name hides a field inside of another one.
    """
    hidden = set(secret)
    shown = {
        name: cut(value) if isinstance(value, dict) and value.get("object") == "list" else value
        for name, value in doc.items()
        if name not in hidden
    }
    for name in hidden:
        head, dot, tail = name.partition(".")
        if dot and isinstance(shown.get(head), dict):
            shown[head] = {k: v for k, v in shown[head].items() if k != tail}
    return shown


def hidden_bits(resource: Resource, doc: Doc) -> int:
    """Why bare lists leave an object out."""
    rule = resource.listed
    by_rule = HIDDEN_BY_RULE if rule is not None and rule.hides(doc) else 0
    by_clock = HIDDEN_BY_CLOCK if resource.clocked and doc.get("test_clock") else 0
    return by_rule | by_clock
