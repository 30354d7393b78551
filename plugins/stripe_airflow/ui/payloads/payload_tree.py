"""Payloads as trees of bounded size, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from stripe_airflow.api.errors import ApiError
from stripe_airflow.ui.payloads.differences import Value, currency_of, json_text, value_of

CHILDREN = 100
"""Keys or elements of an object or array that are shown at once."""

CUT = 2_000
"""Characters of a text that are shown at once."""

_MOST_NODES = 1_000
"""Nodes of one answer; what is deeper comes when it is opened."""

_DEEPEST = 20
"""Levels of one answer; those below come the same way."""

_OPEN_DEPTH = 1
_SHORT = 5
_FIRST = ("id", "object")


@dataclass(slots=True)
class Node:
    """A value of a payload.

    Attributes:
        name: Its key, or its place in an array.
        path: Keys to it, as JSON text: for a request of this part.
        kind: ``object``, ``array`` or ``value``.
        value: A value that is no object or array; None for others.
        size: Number of keys or elements.
        children: Those that are shown.
        next_offset: Where the next ones begin; None where all are shown.
        is_open: Whether the children are shown before a click.
    """

    name: str
    path: str
    kind: str
    value: Value | None = None
    size: int = 0
    children: list[Node] = field(default_factory=list)
    next_offset: int | None = None
    is_open: bool = False


def tree_of(payload: Any, path: tuple[str, ...] = (), offset: int = 0) -> Node:
    """The tree of a part of a payload.

    Args:
        payload: The payload.
        path: Keys to the part.
        offset: First key or element of it to show.

    Raises:
        ApiError: The payload has no such part.
    """
    value, around = part_of(payload, path)
    name = path[-1] if path else ""
    builder = _Builder(currency_of(payload), len(path) + _DEEPEST)
    return builder.node(name, value, path, around, offset)


def part_of(payload: Any, path: tuple[str, ...]) -> tuple[Any, Any]:
    """A part of a payload, and the object that has it.

    Raises:
        ApiError: The payload has no such part.
    """
    value, around = payload, payload
    for name in path:
        inner: Any = None
        if isinstance(value, dict) and name in value:
            inner = value[name]
        # float takes any number of digits, int at most 4,300.
        elif isinstance(value, list) and name.isdecimal() and float(name) < len(value):
            inner = value[int(name)]
        else:
            message = "the object has no such field any more: reload the page"
            raise ApiError(404, "not_found", message)
        value, around = inner, value
    return value, around


def parsed_path(text: str) -> tuple[str, ...]:
    """The path of a node, from its text.

    Raises:
        ApiError: It is no such text.
    """
    try:
        names = orjson.loads(text or "[]")
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        message = "part: it is an array of keys"
        raise ApiError(400, "parameter_invalid", message, param="part")
    return tuple(names)


def in_stripes_order(value: Mapping[str, Any]) -> list[str]:
    """Keys of an object in the order in which Stripe has them: id, object, then by name."""
    first = [name for name in _FIRST if name in value]
    return first + sorted(name for name in value if name not in _FIRST)


def raw_json(value: Any) -> str:
    """A value as indented JSON, its keys in Stripe's order."""
    return json_text(_ordered(value), option=orjson.OPT_INDENT_2)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in in_stripes_order(value)}
    return [_ordered(each) for each in value] if isinstance(value, list) else value


class _Builder:
    def __init__(self, currency: str | None, deepest: int) -> None:
        self._currency = currency
        self._deepest = deepest
        self._left = _MOST_NODES

    def node(
        self, name: str, value: Any, path: tuple[str, ...], around: Any, offset: int = 0
    ) -> Node:
        self._left -= 1
        place = orjson.dumps(path).decode()
        if not isinstance(value, dict | list) or not value:
            currency = currency_of(around) or self._currency
            found = value_of(name, value, currency, cut=CUT)
            if path == ("id",):
                found = replace(found, object_id=None)  # the page that it would lead to
            return Node(name, place, "value", found)
        kind = "object" if isinstance(value, dict) else "array"
        node = Node(name, place, kind, size=len(value))
        depth = len(path)
        node.is_open = depth < _OPEN_DEPTH or (depth < _OPEN_DEPTH + 2 and len(value) <= _SHORT)
        names = (
            in_stripes_order(value)
            if isinstance(value, dict)
            else [str(index) for index in range(len(value))]
        )
        shown = names[offset : offset + CHILDREN] if depth < self._deepest else []
        for index, key in enumerate(shown):
            if self._left <= 0:
                shown = shown[:index]
                break
            inner = value[key] if isinstance(value, dict) else value[int(key)]
            node.children.append(self.node(key, inner, (*path, key), value))
        end = offset + len(shown)
        node.next_offset = end if end < len(names) else None
        return node
