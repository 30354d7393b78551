"""A stored object: the whole as JSON, and its default view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import orjson

from stripe_sandbox.resources.resource_spec import Resource

Doc = dict[str, Any]

EMBEDDED_LIMIT = 10
"""Objects of an embedded list that its parent has; the list route has the others, too."""

RANKS_PER_SECOND = 1 << 40
"""Ranks per second."""

by_rank = attrgetter("rank")
"""The sort key of stored objects."""

HIDDEN_BY_FILTER, HIDDEN_BY_TEST_CLOCK = 1, 2
"""Bits: reasons for which list requests without parameters omit an object."""


class StoredObject:
    """One stored object.

    Attributes:
        id: Its id.
        rank: Creation second and order of insertion in one number; lists are sorted by it.
        hidden: Bits: why list requests without parameters omit it.
    """

    __slots__ = ("hidden", "id", "rank")

    def __init__(self, object_id: str, rank: int, hidden: int) -> None:
        self.id = object_id
        self.rank = rank
        self.hidden = hidden

    @property
    def created(self) -> int:
        """The creation time in seconds since 1970."""
        return self.rank // RANKS_PER_SECOND

    @property
    def json(self) -> bytes:
        """The whole object in the newest version, as JSON."""
        raise NotImplementedError

    @property
    def default_json(self) -> bytes:
        """The default view in the newest version, as JSON."""
        raise NotImplementedError

    def doc(self) -> Doc:
        """The whole object."""
        found: Doc = orjson.loads(self.json)
        return found

    def default_view(self) -> Doc:
        """The object as a response has it that expands nothing."""
        found: Doc = orjson.loads(self.default_json)
        return found


class JsonObject(StoredObject):
    """An object that is kept as JSON; twice, when its default view differs."""

    __slots__ = ("_default_json", "_json")

    def __init__(
        self, object_id: str, rank: int, hidden: int, json: bytes, default_json: bytes | None
    ) -> None:
        super().__init__(object_id, rank, hidden)
        self._json = json
        self._default_json = default_json

    @property
    def json(self) -> bytes:
        """The whole object in the newest version, as JSON."""
        return self._json

    @property
    def default_json(self) -> bytes:
        """The default view in the newest version, as JSON."""
        return self._json if self._default_json is None else self._default_json


def reference_id(value: Any) -> Any:
    """The id of a reference, which may have been stored as a whole object."""
    return value.get("id") if isinstance(value, dict) else value


def values_at(doc: Any, path: str) -> Iterator[Any]:
    """The values at a dotted path, of each item where a list is on the path."""
    head, _, rest = path.partition(".")
    found = doc.get(head) if isinstance(doc, dict) else None
    for value in found if isinstance(found, list) else [found]:
        if rest:
            yield from values_at(value, rest)
        else:
            yield reference_id(value)


def truncate_list(page: Doc) -> Doc:
    """An embedded list with its first objects only, as its parent has it by default."""
    data = page.get("data")
    if isinstance(data, list) and len(data) > EMBEDDED_LIMIT:
        return {**page, "data": data[:EMBEDDED_LIMIT], "has_more": True}
    return page


def default_view(doc: Doc, hidden_fields: Iterable[str]) -> Doc:
    """An object without its hidden fields and with truncated embedded lists.

    A dotted name hides a field inside another one.
    """
    hidden = set(hidden_fields)
    view = {
        name: truncate_list(value)
        if isinstance(value, dict) and value.get("object") == "list"
        else value
        for name, value in doc.items()
        if name not in hidden
    }
    for name in hidden:
        head, dot, tail = name.partition(".")
        if dot and isinstance(view.get(head), dict):
            view[head] = {k: v for k, v in view[head].items() if k != tail}
    return view


def hidden_reasons(resource: Resource, doc: Doc) -> int:
    """Why list requests without parameters omit an object."""
    rule = resource.default_filter
    by_rule = HIDDEN_BY_FILTER if rule is not None and rule.hides(doc) else 0
    by_clock = HIDDEN_BY_TEST_CLOCK if resource.test_clock_params and doc.get("test_clock") else 0
    return by_rule | by_clock
