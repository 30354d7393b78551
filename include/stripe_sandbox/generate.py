"""Objects for the seeds and for creations: plausible, deterministic, coherent.

A million objects of a kind differ in few places. They are kept as a number each, and the JSON is
put together from the pieces of a template when somebody asks for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import orjson

from stripe_sandbox import templates
from stripe_sandbox.entries import EMBEDDED, Doc, Entry, hidden_bits, view
from stripe_sandbox.places import page_url
from stripe_sandbox.profiles import BACKWARDS, COPIES, OWNERS, PROFILES
from stripe_sandbox.resources import RESOURCES
from stripe_sandbox.sdk import Shape
from stripe_sandbox.slots import (
    Pieces,
    Slot,
    assign,
    child,
    dig,
    longer,
    make_id,
    moment,
    one_of,
    pick,
    profile,
    several,
    text,
    with_child_id,
)
from stripe_sandbox.store import AccountStore, Collection
from stripe_sandbox.templates import EPOCH, Path, Template

VARIANTS = 8
"""How many templates the objects of one kind are made from."""

Lengths = Mapping[str, Sequence[int]]
"""How many objects embedded lists have, by their field; cycled through by the object's number."""

_ALL = 1 << 30


@cache
def _template(name: str, variant: int, always: frozenset[str]) -> Template:
    return templates.build(name, random.Random(f"{name}/{variant}"), always)  # noqa: S311


@cache
def _blank(name: str) -> Template:
    return templates.build(name, None)


def blank(name: str, object_id: str, created: int, store: AccountStore) -> Doc:
    """A fresh object as a creation without parameters leaves it."""
    template, row = _blank(name), RESOURCES[name]
    doc: Doc = orjson.loads(template.json)
    for *way, last in template.moments:
        dig(doc, tuple(way))[last] += created - EPOCH
    for at in template.pages:
        dig(doc, at)["url"] = page_url(row, object_id, str(at[-1]))
    for at, kind in template.children:
        dig(doc, at)["id"] = make_id(kind, 0, f"{object_id}/{at}")
    doc["id"] = object_id
    if "livemode" in doc:
        doc["livemode"] = store.livemode
    for hidden in (*row.includable, *row.private):
        doc.pop(hidden, None)
    return doc


class Batch:
    """Objects of one kind, by number.

    Objects that they refer to are those that exist when the batch is made.

    Args:
        name: The value of the ``object`` field.
        store: Where referenced objects are looked up.
        seed: Objects with the same seed, kind and number are equal.
        lengths: How long embedded lists are; one or two objects otherwise.
    """

    def __init__(
        self, name: str, store: AccountStore, seed: int, lengths: Lengths | None = None
    ) -> None:
        self.name = name
        self._lengths = lengths or {}
        self.seed = seed
        self._targets: dict[str, list[str]] = {}
        self._store = store
        row = RESOURCES[name]
        self._secret = (*row.includable, *row.private)
        self._docs: list[Doc] = []
        self._whole: list[Pieces] = []
        self._shown: list[Pieces] = []
        always = frozenset((*OWNERS.get(name, ()), *self._lengths))
        for variant in range(VARIANTS):
            doc, slots = self._marked(_template(name, variant, always))
            shown = view(doc, self._secret)
            for field, counts in self._lengths.items():
                self._lengthen(doc, shown, field, counts, slots)
            self._docs.append(doc)
            self._whole.append(Pieces(doc, slots))
            self._shown.append(Pieces(shown, slots))

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
        value = doc.get(row.listed.field) if values is None else pick(values, number)
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
            holder = dig(doc, tuple(way))
            holder[last] = mark(moment(holder[last] - EPOCH))
        for at in template.pages:
            url = page_url(RESOURCES[self.name], "%s", str(at[-1]))
            dig(doc, at)["url"] = mark(text(url))
        for at, kind in template.children:
            dig(doc, at)["id"] = mark(child(kind, self.seed, at))
        for at, shape in template.references:
            self._refer(doc, at, shape, mark)
        for path, values in PROFILES.get(self.name, {}).items():
            assign(doc, path, mark(profile(values)))
        for path, source in COPIES.get(self.name, {}).items():
            assign(doc, path, doc.get(source))
        if doc.get("client_secret") is not None:
            doc["client_secret"] = mark(text("%s_secret_sandbox"))
        return doc, slots

    def _lengthen(
        self, doc: Doc, shown: Doc, field: str, counts: Sequence[int], slots: list[Slot]
    ) -> None:
        """Give an embedded list as many objects as it shall have."""
        page = doc[field]
        first = with_child_id(page["data"][0])
        if "discounts" in first:
            first["discounts"] = []  # the same ones could not be on all children
        back = BACKWARDS.get(str(first["object"]))
        if back is not None:
            first[back] = f"@@{len(slots)}@@"
            slots.append(lambda object_id, _, __: orjson.dumps(object_id))
        one, kind = Pieces(first, slots), str(first["object"])
        mark = len(slots)
        slots.extend(
            several(one, counts, most, kind=kind, name=field, seed=self.seed)
            for most in (_ALL, EMBEDDED)
        )
        slots.append(longer(counts, EMBEDDED))
        doc[field] = {**page, "data": f"@@{mark}@@", "has_more": False}
        if field in shown:
            shown[field] = {**page, "data": f"@@{mark + 1}@@", "has_more": f"@@{mark + 2}@@"}

    def _refer(self, doc: Doc, at: Path, shape: Shape, mark: Callable[[Slot], str]) -> None:
        *way, last = at
        holder = dig(doc, tuple(way))
        for target in shape.targets:
            if target == self.name and len(at) > 1:
                holder[last] = mark(lambda object_id, _, __: orjson.dumps(object_id))
                return
            ids = self._ids(target)
            if ids:
                holder[last] = mark(one_of(ids))
                return
        if isinstance(last, int):
            holder.clear()
        elif not shape.nullable:
            holder[last] = mark(child(shape.targets[0], self.seed, at))

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
