"""The fields in which generated objects of a kind differ, and their values."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from stripe_sandbox.generation.object_templates import Path
from stripe_sandbox.generation.sample_values import ID_PREFIXES
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.storage.stored_object import Doc

FieldRenderer = Callable[[str, int, int], bytes]
"""Renders the JSON of one field from the object's id, number and creation second."""

_MARK = re.compile(rb'"@@(\d+)@@"')
_PLACEHOLDER_ID = "~child~"


def id_prefix(name: str) -> str:
    """The prefix of the ids of a kind of object."""
    resource = RESOURCES.get(name)
    if resource is None:
        return ID_PREFIXES.get(name, "obj_")
    return resource.prefix or ID_PREFIXES.get(name, "")


def make_id(name: str, seed: int, number: int | str) -> str:
    """An id that depends on its arguments only; the order of ids is not the numbers'."""
    digest = hashlib.blake2b(f"{seed}/{name}/{number}".encode(), digest_size=18).digest()
    return id_prefix(name) + b64encode(digest, altchars=b"Qz").decode("ascii")


class CompiledTemplate:
    """A template as pieces of fixed JSON with fields between them.

    Args:
        doc: The template; ``@@3@@`` stands for the field of renderer 3.
        renderers: Render the fields.
    """

    def __init__(self, doc: Doc, renderers: Sequence[FieldRenderer]) -> None:
        parts = _MARK.split(orjson.dumps(doc))
        self._fixed = parts[::2]
        self._renderers = [renderers[int(mark)] for mark in parts[1::2]]

    def render(self, object_id: str, number: int, created: int) -> bytes:
        """The JSON of one object."""
        pieces = [self._fixed[0]]
        for renderer, fixed in zip(self._renderers, self._fixed[1:], strict=True):
            pieces.append(renderer(object_id, number, created))
            pieces.append(fixed)
        return b"".join(pieces)


def sample_of(values: Any, number: int) -> Any:
    """The sample value of the object with a number."""
    return values(number) if callable(values) else values[number % len(values)]


def timestamp(offset: int) -> FieldRenderer:
    """A time, in seconds after the creation."""
    return lambda _, __, created: str(created + offset).encode()


def text_with_id(pattern: str) -> FieldRenderer:
    """A text with the object's id in it."""
    return lambda object_id, _, __: orjson.dumps(pattern % object_id)


def child_id(kind: str, seed: int, at: Path) -> FieldRenderer:
    """The id of a nested object."""
    path = ".".join(str(part) for part in at)
    return lambda object_id, _, __: orjson.dumps(make_id(kind, seed, f"{object_id}/{path}"))


def reference(ids: list[str]) -> FieldRenderer:
    """The id of one of these objects."""
    return lambda _, number, __: orjson.dumps(ids[(number * 7_919) % len(ids)])


def sample_value(values: Any) -> FieldRenderer:
    """One of the sample values."""
    if callable(values):
        return lambda _, number, __: orjson.dumps(values(number))
    rendered = [orjson.dumps(value) for value in values]
    return lambda _, number, __: rendered[number % len(rendered)]


def value_at(doc: Any, path: Path) -> Any:
    """The value at a path."""
    for part in path:
        doc = doc[part]
    return doc


def set_value(doc: Doc, path: str, value: Any) -> None:
    """Set a value at a dotted path, if its parent is an object."""
    holder: Any = doc
    *way, last = path.split(".")
    for part in way:
        holder = holder.get(part) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder[last] = value


def embedded_objects(
    one: CompiledTemplate, counts: Sequence[int], most: int, *, kind: str, name: str, seed: int
) -> FieldRenderer:
    """The children of an embedded list.

    Args:
        one: A child from ``with_placeholder_id``.
        counts: Lengths of the list, cycled through by the parent's number.
        most: Maximum number of children to render.
        kind: Kind of the children.
        name: Field of the list.
        seed: Part of their ids.
    """
    placeholder = orjson.dumps(_PLACEHOLDER_ID)

    def render(object_id: str, number: int, created: int) -> bytes:
        child = one.render(object_id, number, created)
        ids = (
            orjson.dumps(make_id(kind, seed, f"{object_id}/{name}/{at}"))
            for at in range(min(counts[number % len(counts)], most))
        )
        return b"[" + b",".join(child.replace(placeholder, each) for each in ids) + b"]"

    return render


def with_placeholder_id(doc: Doc) -> Doc:
    """The template of all children of an embedded list."""
    return {**doc, "id": _PLACEHOLDER_ID}


def has_more(counts: Sequence[int], most: int) -> FieldRenderer:
    """Whether an embedded list has more objects than its parent has."""
    return lambda _, number, __: b"true" if counts[number % len(counts)] > most else b"false"
