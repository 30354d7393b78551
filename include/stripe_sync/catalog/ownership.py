"""Which objects belong to a customer: those that name the customer, or an object that does.

``references.json`` has the fields that name objects. Payments name their payment method, which
names its customer only while it is attached: what the objects of a customer alone can name belongs
to the customer, too.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from stripe_sync.catalog.calls import reference
from stripe_sync.catalog.catalog import Catalog, load_catalog
from stripe_sync.catalog.model import ID_PREFIX, STRIPE_EVENTS
from stripe_sync.catalog.references import reference_paths
from stripe_sync.records.canonical_json import JsonObject

CUSTOMERS = f"{ID_PREFIX}customer"

Key = tuple[str, str]
"""Collection id and upstream id."""

_EACH = "*"

_GUESTS = {
    "ch_": f"{ID_PREFIX}charge",
    "py_": f"{ID_PREFIX}charge",
    "pi_": f"{ID_PREFIX}payment_intent",
    "cs_": f"{ID_PREFIX}checkout.session",
}
"""Collections of payments, by how their ids begin: all that names a guest, who has no customer."""

_SHARED = frozenset(
    f"{ID_PREFIX}{name}"
    for name in (
        "account",
        "capability",
        "coupon",
        "customer",
        "issuing.authorization",
        "issuing.card",
        "issuing.cardholder",
        "issuing.dispute",
        "issuing.transaction",
        "payment_link",
        "payout",
        "person",
        "plan",
        "price",
        "product",
    )
)
"""Collections whose objects never belong to a customer, whatever they name."""

_PARTS = frozenset(
    f"{ID_PREFIX}{name}"
    for name in (
        "bank_account",
        "charge",
        "mandate",
        "payment_intent",
        "payment_method",
        "review",
        "setup_intent",
        "source",
    )
)
"""Collections whose objects belong to the customer of an object that names them."""


def root_of(customer_id: str) -> Key:
    """The object that an erasure begins with: a customer, or the payment of a guest."""
    guests = (name for prefix, name in _GUESTS.items() if customer_id.startswith(prefix))
    return next(guests, CUSTOMERS), customer_id


@dataclass(slots=True)
class _Node:
    """One step of the paths of a collection; the kinds of objects that are named there."""

    below: dict[str, _Node] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()


class Ownership:
    """Decides which objects belong to others, by what their payloads name.

    Args:
        catalog: The collections.
    """

    def __init__(self, catalog: Catalog) -> None:
        every = (*catalog.values(), *catalog.parent_only.values())
        self._collections = {each.id: each for each in every}
        self._by_kind = {each.object: each.id for each in every if each.is_routed}
        self._roots = {name: _tree(paths) for name, paths in reference_paths().items()}

    def kept(self, collection_id: str) -> frozenset[str]:
        """Fields that an erased object keeps: those that identify it."""
        found = self._collections.get(collection_id)
        key = found.key if found else ()
        return frozenset({"id", "object", *(name for name in key if "." not in name)})

    def may_belong(self, collection_id: str) -> bool:
        """Whether objects of a collection may belong to a customer."""
        return collection_id not in _SHARED

    def named(self, collection_id: str, payload: JsonObject, parent_id: str | None) -> set[Key]:
        """The objects that an object names.

        Args:
            collection_id: Its collection.
            payload: The object; for a Stripe event, what its payload names counts.
            parent_id: Stripe's id of the object that it is listed with.
        """
        found = set(self._named(collection_id, payload))
        if parent_id and collection_id in self._collections:
            parents = self._collections[collection_id].parents
            found |= {(parent, parent_id) for parent in parents}
        if collection_id == STRIPE_EVENTS:
            found |= self._named_by_event(payload)
        return found

    def parts(self, collection_id: str, payload: JsonObject) -> set[Key]:
        """Those of the objects that it names that belong to the same customer.

        The object of a Stripe event may name the customer in its previous values only.
        """
        if collection_id == STRIPE_EVENTS:
            found = self._object_of(payload)
            if found is None:
                return set()
            (kind, object_id), obj = found
            own = {(kind, object_id)} if self.may_belong(kind) else set()
            return own | self.parts(kind, obj)
        return {key for key in self._named(collection_id, payload) if key[0] in _PARTS}

    def belongs(self, named: set[Key], owned: Container[Key]) -> bool:
        """Whether an object belongs to one that it names.

        One that names another customer, too, belongs only to a customer that it names itself.

        Args:
            named: What it names.
            owned: The customer, and what is known to belong to them.
        """
        owners = {key for key in named if key in owned}
        is_direct = any(key[0] == CUSTOMERS for key in owners)
        return is_direct or (bool(owners) and not self.names_others(named, owned))

    def names_others(self, named: set[Key], owned: Container[Key]) -> bool:
        """Whether an object names another customer."""
        return any(key[0] == CUSTOMERS and key not in owned for key in named)

    def _named_by_event(self, event: JsonObject) -> set[Key]:
        of_event = self._object_of(event)
        if of_event is None:
            return set()
        key, obj = of_event
        found = {key, *self._named(key[0], obj)}
        previous = event["data"].get("previous_attributes")
        if isinstance(previous, dict):
            found |= set(self._named(key[0], previous))
        return found

    def _object_of(self, event: JsonObject) -> tuple[Key, JsonObject] | None:
        """Key and state of the object of a Stripe event, if it is one of a collection."""
        data = event.get("data")
        obj = data.get("object") if isinstance(data, dict) else None
        if not isinstance(obj, dict):
            return None
        collection_id, object_id = self._by_kind.get(str(obj.get("object"))), reference(obj)
        return ((collection_id, object_id), obj) if collection_id and object_id else None

    def _named(self, collection_id: str, payload: JsonObject) -> Iterator[Key]:
        root = self._roots.get(collection_id)
        if root is not None:
            yield from self._find(root, payload)
        # A field with the name of a kind, in versions that the references do not cover.
        for name, value in payload.items():
            if name in self._by_kind and (object_id := reference(value)):
                yield self._by_kind[name], object_id

    def _find(self, node: _Node, value: Any) -> Iterator[Key]:
        if node.kinds and (object_id := reference(value)):
            for kind in node.kinds:
                if kind in self._by_kind:
                    yield self._by_kind[kind], object_id
        if not isinstance(value, dict | list):
            return
        for part, child in node.below.items():
            if part == _EACH:
                for element in value.values() if isinstance(value, dict) else value:
                    yield from self._find(child, element)
            elif isinstance(value, dict) and value.get(part) is not None:
                yield from self._find(child, value[part])


@cache
def load_ownership() -> Ownership:
    """That of all collections."""
    return Ownership(load_catalog())


def _tree(paths: Mapping[str, Any]) -> _Node:
    root = _Node()
    for path, kinds in paths.items():
        node = root
        for part in path.split("."):
            node = node.below.setdefault(part, _Node())
        node.kinds = tuple(kinds)
    return root
