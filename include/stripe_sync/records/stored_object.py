"""Stored records as readers get them, conditions that select some, and objects without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A stored record that is not deleted.

    Attributes:
        upstream_id: Key of the object within its collection.
        payload: The object, or only the requested top-level fields of it.
        observed_at: When the request that returned this state was sent.
        api_version: Stripe version that the payload is rendered in.
        parent_id: Stripe's id of the object that this one belongs to; None for top-level objects.
    """

    upstream_id: str
    payload: JsonObject
    observed_at: datetime
    api_version: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter on stored records; all given parts must hold.

    Attributes:
        paths: At least one of these dotted paths leads to a value that is not null; ``*`` matches
            every element of an array or object.
        equal: Top-level fields and the texts that they must equal.
        reference: A top-level field that must hold an id.
        unlike: Prefixes that the id in ``reference`` must not begin with.
        stored_in: Collection ids; none of them may have a record whose key is the id in
            ``reference``.
    """

    paths: tuple[str, ...] = ()
    equal: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    unlike: tuple[str, ...] = ()
    stored_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingObject:
    """An object that a stored object names and that is not stored.

    Attributes:
        collection_id: Its collection.
        upstream_id: Its id.
        named_by: Collection id of the object that names it.
        named_by_id: Key of the object that names it.
        field: Dotted path in that object.
    """

    collection_id: str
    upstream_id: str
    named_by: str
    named_by_id: str
    field: str

    @property
    def key(self) -> tuple[str, str]:
        """Collection id and upstream id."""
        return self.collection_id, self.upstream_id
