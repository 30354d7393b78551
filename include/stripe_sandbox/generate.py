"""Objects for the seeds and for creations: plausible, deterministic, coherent.

A million objects of a kind differ in few places. They are kept as a number each, and the JSON is
put together from the pieces of a template when somebody asks for it.
"""

from __future__ import annotations

import hashlib
import random
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import orjson

from stripe_sandbox import templates
from stripe_sandbox.profiles import COPIES, PREFIXES, PROFILES
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.sdk import Shape
from stripe_sandbox.store import AccountStore, Collection, Doc, Entry, hidden_bits, view
from stripe_sandbox.templates import EPOCH, Path, Template

VARIANTS = 8
"""How many templates the objects of one kind are made from."""

Slot = Callable[[str, int, int], bytes]
"""The JSON of one place of an object, from its id, number and creation second."""

_MARK = re.compile(rb'"@@(\d+)@@"')


@cache
def _template(name: str, variant: int) -> Template:
    return templates.build(name, random.Random(f"{name}/{variant}"))  # noqa: S311


@cache
def _blank(name: str) -> Template:
    return templates.build(name, None)


def prefix_of(name: str) -> str:
    """What the ids of a kind of object start with."""
    row = RESOURCES.get(name)
    return row.prefix or PREFIXES.get(name, "") if row is not None else PREFIXES.get(name, "obj_")


def make_id(name: str, seed: int, number: int | str) -> str:
    """An id that depends on its arguments only; ids do not grow with the number."""
    text = f"{seed}/{name}/{number}".encode()
    digest = hashlib.blake2b(text, digest_size=18).digest()
    return prefix_of(name) + b64encode(digest, altchars=b"Qz").decode("ascii")


def blank(name: str, object_id: str, created: int, store: AccountStore) -> Doc:
    """A fresh object as a creation without parameters leaves it."""
    template, row = _blank(name), RESOURCES[name]
    doc: Doc = orjson.loads(template.json)
    for *way, last in template.moments:
        _dig(doc, tuple(way))[last] += created - EPOCH
    for at in template.pages:
        _dig(doc, at)["url"] = f"{row.path}/{object_id}/{at[-1]}"
    for at, kind in template.children:
        _dig(doc, at)["id"] = make_id(kind, 0, f"{object_id}/{at}")
    doc["id"] = object_id
    if "livemode" in doc:
        doc["livemode"] = store.livemode
    for hidden in (*row.includable, *row.private):
        doc.pop(hidden, None)
    return doc


class _Pieces:
    """A template cut into fixed JSON and slots."""

    def __init__(self, doc: Doc, slots: Sequence[Slot]) -> None:
        parts = _MARK.split(orjson.dumps(doc))
        self._fixed = parts[::2]
        self._slots = [slots[int(mark)] for mark in parts[1::2]]

    def render(self, object_id: str, number: int, created: int) -> bytes:
        pieces = [self._fixed[0]]
        for slot, fixed in zip(self._slots, self._fixed[1:], strict=True):
            pieces.append(slot(object_id, number, created))
            pieces.append(fixed)
        return b"".join(pieces)


class Batch:
    """Objects of one kind, by number.

    Objects that they refer to are those that exist when the batch is made.

    Args:
        name: The value of the ``object`` field.
        store: Where referenced objects are looked up.
        seed: Objects with the same seed, kind and number are equal.
    """

    def __init__(self, name: str, store: AccountStore, seed: int) -> None:
        self.name = name
        self.seed = seed
        self._targets: dict[str, list[str]] = {}
        self._store = store
        row = RESOURCES[name]
        self._secret = (*row.includable, *row.private)
        self._docs: list[Doc] = []
        self._whole: list[_Pieces] = []
        self._shown: list[_Pieces] = []
        for variant in range(VARIANTS):
            doc, slots = self._marked(_template(name, variant))
            self._docs.append(doc)
            self._whole.append(_Pieces(doc, slots))
            self._shown.append(_Pieces(view(doc, self._secret), slots))

    def raw(self, object_id: str, number: int, created: int) -> bytes:
        """The whole object."""
        return self._whole[number % VARIANTS].render(object_id, number, created)

    def shown(self, object_id: str, number: int, created: int) -> bytes:
        """The object as shown by default."""
        return self._shown[number % VARIANTS].render(object_id, number, created)

    def fill(self, collection: Collection, moments: Sequence[int]) -> range:
        """Put an object per creation second into a collection. Returns their numbers.

        Numbers go on where an earlier batch with the same seed ended.
        """
        first = collection.seeded.get(self.seed, 0)
        collection.put_many(
            SeededEntry(self, number, collection.next_rank(created))
            for number, created in enumerate(moments, first)
        )
        collection.seeded[self.seed] = first + len(moments)
        return range(first, first + len(moments))

    def hidden(self, number: int) -> int:
        """Why bare lists leave an object out (bits)."""
        row = RESOURCES[self.name]
        if row.listed is None:
            return 0
        values = PROFILES.get(self.name, {}).get(row.listed.field)
        doc = self._docs[number % VARIANTS]
        value = doc.get(row.listed.field) if values is None else _pick(values, number)
        return hidden_bits(row, {row.listed.field: value})

    def _marked(self, template: Template) -> tuple[Doc, list[Slot]]:
        doc: Doc = orjson.loads(template.json)
        slots: list[Slot] = []

        def mark(slot: Slot) -> str:
            slots.append(slot)
            return f"@@{len(slots) - 1}@@"

        doc["id"] = mark(lambda object_id, _, __: orjson.dumps(object_id))
        if "livemode" in doc:
            doc["livemode"] = self._store.livemode
        for *way, last in template.moments:
            holder = _dig(doc, tuple(way))
            holder[last] = mark(_moment(holder[last] - EPOCH))
        for at in template.pages:
            url = f"{RESOURCES[self.name].path}/%s/{at[-1]}"
            _dig(doc, at)["url"] = mark(_text(url))
        for at, kind in template.children:
            _dig(doc, at)["id"] = mark(_child(kind, self.seed, at))
        for at, shape in template.references:
            self._refer(doc, at, shape, mark)
        for path, values in PROFILES.get(self.name, {}).items():
            _assign(doc, path, mark(_profile(values)))
        for path, source in COPIES.get(self.name, {}).items():
            _assign(doc, path, doc.get(source))
        if doc.get("client_secret") is not None:
            doc["client_secret"] = mark(_text("%s_secret_sandbox"))
        return doc, slots

    def _refer(self, doc: Doc, at: Path, shape: Shape, mark: Callable[[Slot], str]) -> None:
        *way, last = at
        holder = _dig(doc, tuple(way))
        for target in shape.targets:
            if target == self.name and len(at) > 1:
                holder[last] = mark(lambda object_id, _, __: orjson.dumps(object_id))
                return
            ids = self._ids(target)
            if ids:
                holder[last] = mark(_one_of(ids))
                return
        if isinstance(last, int):
            holder.clear()
        elif not shape.nullable:
            holder[last] = mark(_child(shape.targets[0], self.seed, at))

    def _ids(self, target: str) -> list[str]:
        if target not in self._targets:
            collection = self._store.collections.get(target)
            entries = collection.order if collection is not None else []
            self._targets[target] = [entry.id for entry in entries]
        return self._targets[target]


class SeededEntry(Entry):
    """A stored object that is put together when it is asked for."""

    __slots__ = ("_batch", "_number")

    def __init__(self, batch: Batch, number: int, rank: int) -> None:
        object_id = make_id(batch.name, batch.seed, number)
        super().__init__(object_id, rank, batch.hidden(number))
        self._batch = batch
        self._number = number

    @property
    def raw(self) -> bytes:
        """The whole object, as JSON."""
        return self._batch.raw(self.id, self._number, self.created)

    @property
    def shown(self) -> bytes:
        """The default rendering in the newest version."""
        return self._batch.shown(self.id, self._number, self.created)


def _pick(values: Any, number: int) -> Any:
    return values(number) if callable(values) else values[number % len(values)]


def _moment(offset: int) -> Slot:
    return lambda _, __, created: str(created + offset).encode()


def _text(pattern: str) -> Slot:
    return lambda object_id, _, __: orjson.dumps(pattern % object_id)


def _child(kind: str, seed: int, at: Path) -> Slot:
    place = ".".join(str(part) for part in at)
    return lambda object_id, _, __: orjson.dumps(make_id(kind, seed, f"{object_id}/{place}"))


def _one_of(ids: list[str]) -> Slot:
    return lambda _, number, __: orjson.dumps(ids[(number * 7_919) % len(ids)])


def _profile(values: Any) -> Slot:
    if callable(values):
        return lambda _, number, __: orjson.dumps(values(number))
    written = [orjson.dumps(value) for value in values]
    return lambda _, number, __: written[number % len(written)]


def _dig(doc: Any, path: Path) -> Any:
    for part in path:
        doc = doc[part]
    return doc


def _assign(doc: Doc, path: str, value: Any) -> None:
    """Set a value at a dotted path, unless the object has nothing there to hold it."""
    holder: Any = doc
    *way, last = path.split(".")
    for part in way:
        holder = holder.get(part) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder[last] = value
