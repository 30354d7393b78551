"""How the catalogue says what to ask of Stripe: lists, previews, fields of other objects."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from stripe_sync.records.canonical_json import JsonObject

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Row(BaseModel):
    """A piece of the catalogue: unchangeable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SkipRule(Row):
    """Parents that certainly have no children, told by a field of their own.

    Attributes:
        field: Dotted path into the parent.
        values: The parent is skipped where the field holds one of these; None stands for null,
            missing and empty alike.
        present: The parent is skipped where the field holds anything.
        why: Why that is certain.
    """

    field: str
    values: tuple[str | None, ...] = ()
    present: bool = False
    why: str

    def applies(self, parent: JsonObject) -> bool:
        """Whether a parent is skipped."""
        value: object = parent
        for part in self.field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        known = value if isinstance(value, str) and value else None
        if not value:
            return None in self.values
        return self.present or (known is not None and known in self.values)


class Trigger(Row):
    """Stripe events after which the children of an object may be others than before.

    Attributes:
        events: Types; ``invoice.*`` stands for all that begin so.
        changed: Only where this field is among those that changed.
        given: Only where this field of the event's object is neither null, empty nor zero.
        parent: Dotted path in the event's object to what names the parent.
    """

    events: tuple[str, ...]
    changed: str | None = None
    given: str | None = None
    parent: str = "id"

    def parent_of(self, stripe_event: JsonObject) -> str | None:
        """Id of the parent whose children a Stripe event is about, None where it is not."""
        kind, data = stripe_event["type"], stripe_event["data"]
        if not any(kind == name or _begins(name, kind) for name in self.events):
            return None
        if self.changed and self.changed not in (data.get("previous_attributes") or {}):
            return None
        if self.given and not data["object"].get(self.given):
            return None
        value: object = data["object"]
        for part in self.parent.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return reference(value)


class ListCall(Row):
    """One list endpoint.

    Attributes:
        path: A nested list has one placeholder, filled with the parent's id, here or in a
            parameter: ``/v1/customers/{customer}/tax_ids``.
        parent: Catalogue id of the parent collection, None for a top-level list.
        params: Parameters always sent, ``{"status": "all"}``.
        variants: Parameter sets that are asked for one after the other and united, where no single
            one returns everything, ``[{"active": "true"}, {"active": "false"}]``.
        filters: Names of the filters that the endpoint accepts, besides cursors and page size.
        embedded: Field of the parent that holds the beginning of this list, None where none does.
        expand: Whether the parent holds it only when that field is expanded.
        complete_since: First API version in which it shows everything; the fallback lists are asked
            instead in older ones.
        paged: Whether page size and cursors are accepted.
        skip: Parents that need not be asked.
        says_none: Parts of Stripe's refusals that only mean that this parent has none.
        owned: Whether an object that is no longer in the list is gone from Stripe.
        refreshed_by: Stripe events of other objects that change this list.
        test_clocks: Filter that shows what belongs to test clocks, which the bare list hides:
            ``test_clock`` takes a clock, ``customer`` a customer of one.
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
    skip: tuple[SkipRule, ...] = ()
    says_none: tuple[str, ...] = ()
    owned: bool = True
    refreshed_by: tuple[Trigger, ...] = ()
    test_clocks: str | None = None

    @property
    def created_filter(self) -> bool:
        """Whether ``created[gte]`` and the like are accepted."""
        return "created" in self.filters

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the placeholders in path and parameters."""
        return placeholders(self.path, *self.params.values())


class Reread(Row):
    """A reading again that is needed because no Stripe event tells of every change.

    Attributes:
        days: Only objects created in so many days; None for all of them, once a night.
        minutes: How often, where ``days`` is given.
        why: Which change nothing tells of.
    """

    days: int | None = Field(default=None, gt=0)
    minutes: int | None = Field(default=None, gt=0)
    why: str


class PreviewCall(Row):
    """The call that makes Stripe compute an object (a POST that changes nothing).

    Attributes:
        path: Path of the call.
        parent: Catalogue id of the collection whose objects are previewed.
        params: Parameters; the placeholder is filled with the parent's id.
        old_path: Path to GET with the same parameters in API versions before ``old_before``.
        old_before: First API version without that path.
        skip: Parents that certainly have nothing to preview.
        refreshed_by: Stripe events after which the preview is another one.
        none_code: Stripe's error code where there is nothing to preview.
    """

    path: str
    parent: str
    params: dict[str, str]
    old_path: str | None = None
    old_before: str | None = None
    skip: tuple[SkipRule, ...] = ()
    refreshed_by: tuple[Trigger, ...] = ()
    none_code: str | None = None


class SourceField(Row):
    """A field of another collection that holds or names objects.

    Attributes:
        collection: Catalogue id of that collection.
        field: Dotted path; ``*`` stands for every element of an array or object.
        params: List parameters that narrow that collection to objects worth looking at, named like
            the fields that they look at.
        expand: Field to expand there, so that it holds objects rather than their ids.
        included: Whether the field is left out altogether unless it is expanded.
        given: Dotted path that leads to something other than zero where a holder of such a field
            has any; None where nothing tells.
    """

    collection: str
    field: str
    expand: str | None = None
    included: bool = False
    given: str | None = None
    params: dict[str, str] = Field(default_factory=dict)


def placeholders(*texts: str) -> tuple[str, ...]:
    """Names of the placeholders in paths and parameters, in order."""
    return tuple(name for text in texts for name in _PLACEHOLDER.findall(text))


def _begins(pattern: str, name: str) -> bool:
    return pattern.endswith("*") and name.startswith(pattern[:-1])


def reference(value: object) -> str | None:
    """The id that a field holds, be it the id alone or the object itself."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else None
