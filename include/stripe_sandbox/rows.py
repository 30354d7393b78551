"""What a row of the table of resources says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PIN = "2026-10-28.endive"
"""The newest API version; objects are stored in its shape."""

LAST_LEGACY = "2020-08-27"
"""The newest version in which the routes of 2022's retirements still answer."""

LAST_BEFORE_BASIL = "2025-02-24.acacia"
"""The newest version with usage records and with upcoming invoices by GET."""


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
    """A list that is absent until expanded, and then read from other collections."""

    objects: tuple[str, ...]
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


def life(noun: str, *verbs: str) -> Events:
    """Event types named regularly, such as ``coupon.created``."""
    return Events(**{verb: (f"{noun}.{verb}",) for verb in verbs})


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
        includable: Stored fields that are absent until expanded; ``a.b`` for one inside ``a``.
        includes: Lists that are absent until expanded, read from another collection.
        private: Stored fields that are never shown (they only serve filters).
        paths: Where a filter looks when not at the field of its own name.
        defaults: Filters that apply unless they are given.
        bare_since: The version from which on the list shows everything; in older ones it is empty
            unless a customer is named. Empty for all.
        filters: Filters of routes that the SDK does not know, by type name.
        accepts: Parameters of creations that the SDK does not know, by type name.
        own_id: The user may choose the id.
        until: The newest version in which the routes answer; empty for all.
        scope: Field with the owner that ids are unique in, when they are not in the account.
        older: Kinds that a reference may also point at as long as their version lasts.
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
    defaults: Mapping[str, Any] = field(default_factory=dict)
    bare_since: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    accepts: Mapping[str, str] = field(default_factory=dict)
    own_id: bool = False
    until: str = ""
    scope: str = ""
    older: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)

    @property
    def legacy(self) -> bool:
        """Whether current versions have no route to it any more."""
        return bool(self.until)

    @property
    def permission(self) -> str:
        """The name that restricted keys use for it."""
        return self.object.replace(".", "_")

    @property
    def retrieve_path(self) -> str:
        """The route of one object."""
        return f"{self.path}/{{{self.key}}}"


@dataclass(frozen=True, slots=True)
class Place:
    """A list of what belongs to a parent, such as the lines of an invoice.

    Attributes:
        path: List and create route. Its placeholder is the parent's id; without one, a required
            parameter named like the parent is.
        parent: Kind of the parent.
        objects: Kinds of object that the list holds.
        field: Field of the parent where the children live, or where it shows them.
        owner: Field of the children that names the parent, when they live in collections of
            their own.
        ops: Letters, as those of a resource.
        key: Name of the child's id in the route of one child.
        noun: What the SDK's operations call a child (``create_reversal``); empty when they are
            operations of the child's own class.
        events: Types of the Stripe events that carry a child.
        parent_events: Types of the Stripe events that carry the parent.
        head: New children come first; the order is theirs otherwise.
        paged: Page size and cursors are accepted.
        guard: Name of the rule that may refuse the whole list.
        permission: The name that restricted keys use, when it is not the parent's.
        until: The newest version in which the routes answer; empty for all.
    """

    path: str
    parent: str
    objects: tuple[str, ...]
    field: str = ""
    owner: str = ""
    ops: str = "l"
    key: str = "id"
    noun: str = ""
    events: Events = Events()
    parent_events: Events = Events()
    head: bool = False
    paged: bool = True
    guard: str = ""
    permission: str = ""
    until: str = ""

    @property
    def by_parameter(self) -> bool:
        """Whether a parameter names the parent."""
        return "{" not in self.path

    @property
    def segment(self) -> str:
        """The end of the path, which is the list's name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def one_path(self) -> str:
        """The route of one child."""
        return f"{self.path}/{{{self.key}}}"

    def url(self, parent_id: str) -> str:
        """The list of one parent."""
        if self.by_parameter:
            return f"{self.path}?{self.parent}={parent_id}"
        head, _, tail = self.path.partition("{")
        return f"{head}{parent_id}{tail.partition('}')[2]}"
