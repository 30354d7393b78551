"""The places where generated objects of a kind differ, and what fills them."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from stripe_sandbox.entries import Doc
from stripe_sandbox.profiles import PREFIXES
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.templates import Path

Slot = Callable[[str, int, int], bytes]
"""The JSON of one place of an object, from its id, number and creation second."""

_MARK = re.compile(rb'"@@(\d+)@@"')
_CHILD_ID = "~child~"


def prefix_of(name: str) -> str:
    """What the ids of a kind of object start with."""
    row = RESOURCES.get(name)
    return row.prefix or PREFIXES.get(name, "") if row is not None else PREFIXES.get(name, "obj_")


def make_id(name: str, seed: int, number: int | str) -> str:
    """An id that depends on its arguments only; ids do not grow with the number."""
    text = f"{seed}/{name}/{number}".encode()
    digest = hashlib.blake2b(text, digest_size=18).digest()
    return prefix_of(name) + b64encode(digest, altchars=b"Qz").decode("ascii")


class Pieces:
    """A template cut into fixed JSON and slots."""

    def __init__(self, doc: Doc, slots: Sequence[Slot]) -> None:
        parts = _MARK.split(orjson.dumps(doc))
        self._fixed = parts[::2]
        self._slots = [slots[int(mark)] for mark in parts[1::2]]

    def render(self, object_id: str, number: int, created: int) -> bytes:
        """The JSON of one object."""
        pieces = [self._fixed[0]]
        for slot, fixed in zip(self._slots, self._fixed[1:], strict=True):
            pieces.append(slot(object_id, number, created))
            pieces.append(fixed)
        return b"".join(pieces)


def pick(values: Any, number: int) -> Any:
    """What a profile says of the object with a number."""
    return values(number) if callable(values) else values[number % len(values)]


def moment(offset: int) -> Slot:
    """Seconds after the creation."""
    return lambda _, __, created: str(created + offset).encode()


def text(pattern: str) -> Slot:
    """A text with the id in it."""
    return lambda object_id, _, __: orjson.dumps(pattern % object_id)


def child(kind: str, seed: int, at: Path) -> Slot:
    """The id of an object inside."""
    place = ".".join(str(part) for part in at)
    return lambda object_id, _, __: orjson.dumps(make_id(kind, seed, f"{object_id}/{place}"))


def one_of(ids: list[str]) -> Slot:
    """The id of one of several objects."""
    return lambda _, number, __: orjson.dumps(ids[(number * 7_919) % len(ids)])


def profile(values: Any) -> Slot:
    """What a profile says."""
    if callable(values):
        return lambda _, number, __: orjson.dumps(values(number))
    written = [orjson.dumps(value) for value in values]
    return lambda _, number, __: written[number % len(written)]


def dig(doc: Any, path: Path) -> Any:
    """What stands at a path."""
    for part in path:
        doc = doc[part]
    return doc


def assign(doc: Doc, path: str, value: Any) -> None:
    """Set a value at a dotted path, unless the object has nothing there to hold it."""
    holder: Any = doc
    *way, last = path.split(".")
    for part in way:
        holder = holder.get(part) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder[last] = value


def several(
    one: Pieces, counts: Sequence[int], most: int, *, kind: str, name: str, seed: int
) -> Slot:
    """The children of an embedded list.

    Args:
        one: A child whose id is ``with_child_id``'s.
        counts: How many there are, cycled through by the parent's number.
        most: How many are shown.
        kind: Their kind.
        name: The list's field.
        seed: Part of their ids.
    """
    mark = orjson.dumps(_CHILD_ID)

    def fill(object_id: str, number: int, created: int) -> bytes:
        raw = one.render(object_id, number, created)
        ids = (
            orjson.dumps(make_id(kind, seed, f"{object_id}/{name}/{at}"))
            for at in range(min(counts[number % len(counts)], most))
        )
        return b"[" + b",".join(raw.replace(mark, found) for found in ids) + b"]"

    return fill


def with_child_id(doc: Doc) -> Doc:
    """A child that stands for all children of an embedded list."""
    return {**doc, "id": _CHILD_ID}


def longer(counts: Sequence[int], most: int) -> Slot:
    """Whether an embedded list goes on beyond what is shown."""
    return lambda _, number, __: b"true" if counts[number % len(counts)] > most else b"false"
