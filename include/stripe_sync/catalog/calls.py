"""Requests and fields through which a collection is read, as the catalogue describes them."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from stripe_sync.records.canonical_json import JsonObject

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class CatalogModel(BaseModel):
    """A part of the catalogue: immutable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldPredicate(CatalogModel):
    """A condition on one field of an object.

    Attributes:
        field: Dotted path into the object.
        values: It matches where the field has one of these values; None stands for null, missing
            and empty.
        present: It matches where the field has any value.
        reason: Why such an object is treated differently.
    """

    field: str
    values: tuple[str | None, ...] = ()
    present: bool = False
    reason: str

    def matches(self, obj: JsonObject) -> bool:
        """Whether an object meets the condition."""
        value: object = obj
        for part in self.field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if not value:
            return None in self.values
        return self.present or (isinstance(value, str) and value in self.values)


class Trigger(CatalogModel):
    """Stripe events after which the children of an object may have changed.

    Attributes:
        events: Types; ``invoice.*`` stands for all with this prefix.
        changed_field: Only where this field changed.
        required_field: Only where this field of the event's object is not null, empty or zero.
        parent: Dotted path in the event's object to the parent or its id.
    """

    events: tuple[str, ...]
    changed_field: str | None = None
    required_field: str | None = None
    parent: str = "id"

    def parent_of(self, stripe_event: JsonObject) -> str | None:
        """Id of the parent whose children may have changed, None where they have not."""
        kind, data = stripe_event["type"], stripe_event["data"]
        if not any(kind == name or _begins(name, kind) for name in self.events):
            return None
        previous = data.get("previous_attributes") or {}
        if self.changed_field and self.changed_field not in previous:
            return None
        if self.required_field and not data["object"].get(self.required_field):
            return None
        value: object = data["object"]
        for part in self.parent.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return reference(value)


class Evidence(CatalogModel):
    """Stored objects that show that an object may have children.

    Attributes:
        collection: Catalogue id of their collection.
        parent: Field of theirs with the id of the object; ``id`` for the object itself.
        fields: At least one of these fields has a value other than null, zero, false and empty;
            none where every object of the collection counts.
        values: Each field has one of these values instead; none for any.
    """

    collection: str
    parent: str
    fields: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class ListCall(CatalogModel):
    """One list endpoint.

    Attributes:
        path: A nested list has one placeholder for the parent's id, here or in a parameter:
            ``/v1/customers/{customer}/tax_ids``.
        parent: Catalogue id of the parent collection, None for a top-level list.
        params: Parameters of every request, ``{"status": "all"}``.
        variants: Parameter sets that are requested one after the other, where no single one returns
            everything, ``[{"active": "true"}, {"active": "false"}]``.
        filters: Names of the filters that the endpoint accepts, besides cursors and page size.
        embedded: Field of the parent that contains the beginning of this list, None where none.
        expand: Whether the parent contains it only when that field is expanded.
        complete_since: First API version in which the list is complete; in older ones the fallback
            lists are read instead.
        paged: Whether page size and cursors are accepted.
        skip: Parents that certainly have no children.
        no_children_errors: Parts of Stripe's error messages that mean that a parent has none.
        missing_means_deleted: Whether an object that is no longer in the list is deleted.
        read_once: Whether the list of a parent never changes once it has an object: a parent with
            stored children is not asked again.
        refreshed_by: Stripe events of other objects after which this list may have changed.
        test_clocks: Filter that returns objects of test clocks, which the list leaves out
            otherwise: ``test_clock`` takes a clock, ``customer`` a customer of one.
        evidence: Stored objects without which a parent is taken to have no children, because one
            request for each parent is expensive; none where each parent is asked for.
    """

    path: str
    parent: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    variants: tuple[dict[str, str], ...] = ()
    filters: tuple[str, ...] = ()
    embedded: str | None = None
    expand: bool = False
    complete_since: str | None = None
    paged: bool = True
    skip: tuple[FieldPredicate, ...] = ()
    no_children_errors: tuple[str, ...] = ()
    missing_means_deleted: bool = True
    read_once: bool = False
    refreshed_by: tuple[Trigger, ...] = ()
    test_clocks: str | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def created_filter(self) -> bool:
        """Whether ``created[gte]`` and the like are accepted."""
        return "created" in self.filters

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the placeholders in path and parameters."""
        return placeholders(self.path, *self.params.values())

    def means_no_children(self, message: str) -> bool:
        """Whether this error message of Stripe's means that a parent has no children."""
        return any(text in message.lower() for text in self.no_children_errors)


class Reread(CatalogModel):
    """A repeated read that is needed because some changes raise no Stripe event.

    Attributes:
        days: Age of the oldest objects to read; None for all objects, once a night.
        minutes: Time between two reads, where ``days`` is set.
        reason: Which changes raise no Stripe event.
    """

    days: int | None = Field(default=None, gt=0)
    minutes: int | None = Field(default=None, gt=0)
    reason: str


class PreviewCall(CatalogModel):
    """The request that makes Stripe compute an object (a POST that changes nothing).

    Attributes:
        path: Path of the request.
        parent: Catalogue id of the collection that has a preview for each object.
        params: Parameters; the placeholder is filled with the parent's id.
        old_path: Path to GET with the same parameters in API versions before ``old_before``.
        old_before: First API version without that path.
        skip: Parents that certainly have no preview.
        refreshed_by: Stripe events after which the preview may have changed.
        none_code: Stripe's error code where there is nothing to preview.
        evidence: As of ``ListCall``.
    """

    path: str
    parent: str
    params: dict[str, str]
    old_path: str | None = None
    old_before: str | None = None
    skip: tuple[FieldPredicate, ...] = ()
    refreshed_by: tuple[Trigger, ...] = ()
    none_code: str | None = None
    evidence: tuple[Evidence, ...] = ()


class SourceField(CatalogModel):
    """A field of another collection that contains objects, or references them by id.

    Attributes:
        collection: Catalogue id of that collection.
        field: Dotted path; ``*`` stands for every element of an array or object.
        params: Filters of that collection's list; objects without a match in the fields of the same
            names have no such field.
        expand: Field to expand there, so that it contains objects rather than their ids.
        only_expanded: Whether the field is missing unless it is expanded.
        nonzero_if_any: Dotted path to a value that is not zero where the field contains an object,
            None where there is none.
    """

    collection: str
    field: str
    expand: str | None = None
    only_expanded: bool = False
    nonzero_if_any: str | None = None
    params: dict[str, str] = Field(default_factory=dict)


def placeholders(*texts: str) -> tuple[str, ...]:
    """Names of the placeholders in paths and parameters, in order."""
    return tuple(name for text in texts for name in _PLACEHOLDER.findall(text))


def _begins(pattern: str, name: str) -> bool:
    return pattern.endswith("*") and name.startswith(pattern[:-1])


def reference(value: object) -> str | None:
    """The id in a field that contains an id or an object."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else None
