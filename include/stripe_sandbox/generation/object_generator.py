"""Objects for seeds and creations: plausible, deterministic, coherent.

A million objects of a kind differ in few fields. Each is kept as a number, and its JSON is rendered
from a template when a request needs it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import orjson

from stripe_sandbox.generation import object_templates
from stripe_sandbox.generation.object_templates import EPOCH, ObjectTemplate, Path
from stripe_sandbox.generation.sample_values import (
    COPIED_FIELDS,
    PARENT_REFERENCES,
    REQUIRED_REFERENCES,
    SAMPLE_VALUES,
)
from stripe_sandbox.generation.template_fields import (
    CompiledTemplate,
    FieldRenderer,
    child_id,
    embedded_objects,
    has_more,
    make_id,
    reference,
    sample_of,
    sample_value,
    set_value,
    text_with_id,
    timestamp,
    value_at,
    with_placeholder_id,
)
from stripe_sandbox.resources.nested_lists import page_url
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.resources.sdk_schema import Schema
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.collection import Collection
from stripe_sandbox.storage.stored_object import (
    EMBEDDED_LIMIT,
    Doc,
    StoredObject,
    default_view,
    hidden_reasons,
)

VARIANTS = 8
"""Templates per kind of object."""

ListLengths = Mapping[str, Sequence[int]]
"""Lengths of embedded lists by field, cycled through by the parent's number."""

_ALL = 1 << 30


@cache
def _template(name: str, variant: int, always: frozenset[str]) -> ObjectTemplate:
    return object_templates.build_template(name, random.Random(f"{name}/{variant}"), always)  # noqa: S311


@cache
def _blank_template(name: str) -> ObjectTemplate:
    return object_templates.build_template(name, None)


def blank_object(name: str, object_id: str, created: int, store: AccountStore) -> Doc:
    """A new object, as a creation without parameters makes it."""
    template, resource = _blank_template(name), RESOURCES[name]
    doc: Doc = orjson.loads(template.json)
    for *way, last in template.timestamps:
        value_at(doc, tuple(way))[last] += created - EPOCH
    for at in template.pages:
        value_at(doc, at)["url"] = page_url(resource, object_id, str(at[-1]))
    for at, kind in template.children:
        value_at(doc, at)["id"] = make_id(kind, 0, f"{object_id}/{at}")
    doc["id"] = object_id
    if "livemode" in doc:
        doc["livemode"] = store.livemode
    for hidden in (*resource.expandable_fields, *resource.internal_fields):
        doc.pop(hidden, None)
    return doc


class ObjectBatch:
    """Objects of one kind, by number.

    They refer to objects that exist when the batch is made.

    Args:
        name: The value of the ``object`` field.
        store: Has the objects that they refer to.
        seed: Objects with the same seed, kind and number are equal.
        lengths: Lengths of embedded lists; one or two objects by default.
    """

    def __init__(
        self, name: str, store: AccountStore, seed: int, lengths: ListLengths | None = None
    ) -> None:
        self.name = name
        self._lengths = lengths or {}
        self.seed = seed
        self._targets: dict[str, list[str]] = {}
        self._store = store
        resource = RESOURCES[name]
        hidden_fields = (*resource.expandable_fields, *resource.internal_fields)
        self._docs: list[Doc] = []
        self._whole: list[CompiledTemplate] = []
        self._default_views: list[CompiledTemplate] = []
        always = frozenset((*REQUIRED_REFERENCES.get(name, ()), *self._lengths))
        for variant in range(VARIANTS):
            doc, renderers = self._with_marks(_template(name, variant, always))
            view = default_view(doc, hidden_fields)
            for field, counts in self._lengths.items():
                self._set_length(doc, view, field, counts, renderers)
            self._docs.append(doc)
            self._whole.append(CompiledTemplate(doc, renderers))
            self._default_views.append(CompiledTemplate(view, renderers))

    def json(self, object_id: str, number: int, created: int) -> bytes:
        """The whole object."""
        return self._whole[number % VARIANTS].render(object_id, number, created)

    def default_json(self, object_id: str, number: int, created: int) -> bytes:
        """The default view of the object."""
        return self._default_views[number % VARIANTS].render(object_id, number, created)

    def add_to(self, collection: Collection, creation_times: Sequence[int]) -> range:
        """Add an object per creation second to a collection. Returns their numbers.

        Numbers continue after the last batch with the same seed.
        """
        first = collection.seeded_counts.get(self.seed, 0)
        collection.put_many(
            GeneratedObject(self, number, collection.next_rank(created))
            for number, created in enumerate(creation_times, first)
        )
        collection.seeded_counts[self.seed] = first + len(creation_times)
        return range(first, first + len(creation_times))

    def hidden(self, number: int) -> int:
        """Why list requests without parameters omit an object (bits)."""
        resource = RESOURCES[self.name]
        if resource.default_filter is None:
            return 0
        field = resource.default_filter.field
        values = SAMPLE_VALUES.get(self.name, {}).get(field)
        doc = self._docs[number % VARIANTS]
        value = doc.get(field) if values is None else sample_of(values, number)
        return hidden_reasons(resource, {field: value})

    def _with_marks(self, template: ObjectTemplate) -> tuple[Doc, list[FieldRenderer]]:
        doc: Doc = orjson.loads(template.json)
        renderers: list[FieldRenderer] = []

        def mark(renderer: FieldRenderer) -> str:
            renderers.append(renderer)
            return f"@@{len(renderers) - 1}@@"

        doc["id"] = mark(lambda object_id, _, __: orjson.dumps(object_id))
        if "livemode" in doc:
            doc["livemode"] = self._store.livemode
        for *way, last in template.timestamps:
            holder = value_at(doc, tuple(way))
            holder[last] = mark(timestamp(holder[last] - EPOCH))
        for at in template.pages:
            url = page_url(RESOURCES[self.name], "%s", str(at[-1]))
            value_at(doc, at)["url"] = mark(text_with_id(url))
        for at, kind in template.children:
            value_at(doc, at)["id"] = mark(child_id(kind, self.seed, at))
        for at, schema in template.references:
            self._set_reference(doc, at, schema, mark)
        for path, values in SAMPLE_VALUES.get(self.name, {}).items():
            set_value(doc, path, mark(sample_value(values)))
        for path, source in COPIED_FIELDS.get(self.name, {}).items():
            set_value(doc, path, doc.get(source))
        if doc.get("client_secret") is not None:
            doc["client_secret"] = mark(text_with_id("%s_secret_sandbox"))
        return doc, renderers

    def _set_length(
        self, doc: Doc, view: Doc, field: str, counts: Sequence[int], renderers: list[FieldRenderer]
    ) -> None:
        """Give an embedded list the length of each object's number."""
        page = doc[field]
        first = with_placeholder_id(page["data"][0])
        if "discounts" in first:
            first["discounts"] = []  # several children cannot have the same discount
        back = PARENT_REFERENCES.get(str(first["object"]))
        if back is not None:
            first[back] = f"@@{len(renderers)}@@"
            renderers.append(lambda object_id, _, __: orjson.dumps(object_id))
        one, kind = CompiledTemplate(first, renderers), str(first["object"])
        mark = len(renderers)
        renderers.extend(
            embedded_objects(one, counts, most, kind=kind, name=field, seed=self.seed)
            for most in (_ALL, EMBEDDED_LIMIT)
        )
        renderers.append(has_more(counts, EMBEDDED_LIMIT))
        doc[field] = {**page, "data": f"@@{mark}@@", "has_more": False}
        if field in view:
            view[field] = {**page, "data": f"@@{mark + 1}@@", "has_more": f"@@{mark + 2}@@"}

    def _set_reference(
        self, doc: Doc, at: Path, schema: Schema, mark: Callable[[FieldRenderer], str]
    ) -> None:
        *way, last = at
        holder = value_at(doc, tuple(way))
        for target in schema.targets:
            if target == self.name and len(at) > 1:
                holder[last] = mark(lambda object_id, _, __: orjson.dumps(object_id))
                return
            ids = self._ids(target)
            if ids:
                holder[last] = mark(reference(ids))
                return
        if isinstance(last, int):
            holder.clear()
        elif not schema.nullable:
            holder[last] = mark(child_id(schema.targets[0], self.seed, at))

    def _ids(self, target: str) -> list[str]:
        if target not in self._targets:
            collection = self._store.collections.get(target)
            objects = collection.order if collection is not None else []
            self._targets[target] = [stored.id for stored in objects]
        return self._targets[target]


class GeneratedObject(StoredObject):
    """A stored object whose JSON is rendered on demand."""

    __slots__ = ("_batch", "_number")

    def __init__(self, batch: ObjectBatch, number: int, rank: int) -> None:
        object_id = make_id(batch.name, batch.seed, number)
        super().__init__(object_id, rank, batch.hidden(number))
        self._batch = batch
        self._number = number

    @property
    def json(self) -> bytes:
        """The whole object in the newest version, as JSON."""
        return self._batch.json(self.id, self._number, self.created)

    @property
    def default_json(self) -> bytes:
        """The default view in the newest version, as JSON."""
        return self._batch.default_json(self.id, self._number, self.created)
