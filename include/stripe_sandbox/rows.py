"""What a row of the table of resources says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PIN = "2026-10-28.endive"
"""The newest API version; objects are stored in its shape."""

LAST_LEGACY = "2020-08-27"
"""The newest version in which retired routes still answer."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule for what a bare list shows, lifted when ``param`` is given."""

    field: str
    value: Any
    equal: bool = True
    param: str | None = None

    def hides(self, doc: Mapping[str, Any]) -> bool:
        """Whether a bare list leaves the object out."""
        return (doc.get(self.field) == self.value) is not self.equal


@dataclass(frozen=True, slots=True)
class Include:
    """A list that is absent until expanded, and then read from another collection."""

    object: str
    foreign_key: str
    url: str


@dataclass(frozen=True, slots=True)
class Action:
    """A verb on one object: what it sets, and the Stripe event it writes."""

    sets: Mapping[str, Any]
    event: str | None
    unless: tuple[str, tuple[Any, ...]] = ("", ())


@dataclass(frozen=True, slots=True)
class Events:
    """Types of the Stripe events that a creation, an update and a deletion write."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    Attributes:
        object: The value of the ``object`` field.
        path: List and create route; empty when the object has none of its own.
        prefix: What ids start with.
        key: Name of the id in the retrieve route.
        ops: Letters: l list, r retrieve, c create, u update, d delete.
        events: Types of the Stripe events that its writes cause.
        gone: What DELETE leaves behind: "missing" (404), "stub" (200), "cancel" (object stays).
        timestamp: Field with the creation time.
        listed: What a bare list leaves out.
        wider: Values of the parameter of ``listed`` that stand for several; () stands for all.
        clocked: Test-clock rows are hidden; the value is the parameters that show them.
        includable: Stored fields that are absent until expanded.
        includes: Lists that are absent until expanded, read from another collection.
        private: Stored fields that are never shown (they only serve filters).
        paths: Where a filter looks when not at the field of its own name.
        filters: Filters of routes that the SDK does not know, by type name.
        own_id: The user may choose the id.
        legacy: Answers only in versions up to ``LAST_LEGACY``.
        parent: Object and field of the parent whose embedded list the route reads.
    """

    object: str
    path: str = ""
    prefix: str = ""
    key: str = "id"
    ops: str = "lr"
    events: Events = Events()
    gone: str = "missing"
    timestamp: str = "created"
    listed: Listed | None = None
    wider: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    clocked: tuple[str, ...] = ()
    includable: tuple[str, ...] = ()
    includes: Mapping[str, Include] = field(default_factory=dict)
    private: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    own_id: bool = False
    legacy: bool = False
    parent: tuple[str, str] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)

    @property
    def permission(self) -> str:
        """The name that restricted keys use for it."""
        return self.object.replace(".", "_")

    @property
    def retrieve_path(self) -> str:
        """The route of one object."""
        return f"{self.path}/{{{self.key}}}"
