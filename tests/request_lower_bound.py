"""The fewest requests in which Stripe's API returns a collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from stripe_sync.catalog import (
    Catalog,
    Collection,
    ListCall,
    PreviewCall,
    Retrieval,
    SourceField,
    load_catalog,
)

PAGE = 100
EMBEDDED = 10
"""Objects of a list that its parent embeds."""

CLOCK = "test_helpers.test_clock"

Objects = Callable[[str], list[Any]]
"""All objects of the account by the value of their ``object`` field; previews, which are no objects
of the account, by the short name of their collection."""


def minimum_requests(
    collection: Collection, objects: Objects, catalog: Catalog | None = None
) -> int:
    """Requests that the backfill of a collection needs when its parents are stored.

    Args:
        collection: The collection.
        objects: Reads the objects of the account (``control.objects`` of the sandbox).
        catalog: The catalogue, unless it is the shipped one.
    """
    return _Minimum(objects, catalog or load_catalog()).of(collection)


class _Minimum:
    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        self._objects = objects
        self._catalog = catalog

    def of(self, collection: Collection) -> int:
        if collection.retrieval is Retrieval.EVENT_ONLY:
            kinds = Counter(event["type"] for event in self._objects("event"))
            return sum(_pages(kinds[name]) for name in collection.events.all)
        if collection.preview:
            return self._previews(collection, collection.preview)
        if collection.retrieval is Retrieval.EXPANDED:
            return self._expanded(collection)
        if collection.retrieval is Retrieval.EMBEDDED:
            return self._embedded(collection)
        if collection.retrieval is Retrieval.RETRIEVE_ONLY:
            return len(self._referenced(collection))
        # Create-only objects and lines of previews take no request.
        top = any(not call.parent for call in collection.lists)
        below = sum(self._below(collection, call) for call in collection.lists if call.parent)
        return below + (self._listed(collection) + self._completions(collection) if top else 0)

    def _parent(self, call: ListCall | PreviewCall) -> Collection:
        return self._catalog.parent(str(call.parent))

    def _listed(self, collection: Collection) -> int:
        """Requests for a collection's own lists, those of test clocks included."""
        found = self._objects(collection.object)
        if collection.retrieval is Retrieval.NESTED_LIST:
            found = [obj for obj in found if (obj.get("owner") or {}).get("type") == "self"]
        total = 0
        for call in collection.lists:
            if call.parent:
                continue
            if call.test_clocks and self._objects(CLOCK):
                clocked = [obj for obj in found if obj.get("test_clock")]
                total += self._clocked(call, clocked)
                found = [obj for obj in found if not obj.get("test_clock")]
            named = [v for variant in call.variants for v in variant.items()]
            total += sum(
                _pages(sum(_fits(obj, variant, named) for obj in found))
                for variant in call.variants or ({},)
            )
        return total

    def _clocked(self, call: ListCall, found: Sequence[Any]) -> int:
        """Objects of test clocks are listed by clock, or by customer."""
        clocks = self._objects(CLOCK)
        owners, field = [clock["id"] for clock in clocks], "test_clock"
        total = _pages(len(clocks))
        if call.test_clocks == "customer":
            customers = [c for c in self._objects("customer") if c.get("test_clock")]
            per_clock = Counter(customer["test_clock"] for customer in customers)
            total += sum(_pages(per_clock[clock]) for clock in owners)
            owners, field = [customer["id"] for customer in customers], "customer"
        counts = Counter(_id(obj.get(field)) for obj in found)
        return total + sum(_pages(counts[owner]) for owner in owners)

    def _completions(self, collection: Collection) -> int:
        """Requests for the rest of embedded lists."""
        left_out = {
            call.embedded
            for other in self._catalog.values()
            for call in other.lists
            if call.parent == collection.id and call.expand
        }
        return sum(
            _rest(len(value["data"]))
            for obj in self._objects(collection.object)
            for name, value in obj.items()
            if _is_list(value) and name not in left_out
        )

    def _below(self, collection: Collection, call: ListCall) -> int:
        parent = self._parent(call)
        parents = self._objects(parent.object)
        if call.embedded and not call.expand and not parent.parent_only:
            return 0  # the stored parents embed them
        name = call.placeholders[0]
        owners = (_id(obj.get(name)) for obj in self._objects(collection.object))
        counts = Counter(owner for owner in owners if owner)
        if call.embedded:
            # Some children have no field for their parent; their parents embed them.
            embedded = [p.get(call.embedded) for p in parents]
            more = [len(value["data"]) for value in embedded if _is_list(value)] or counts.values()
            return self._listed(parent) + sum(map(_rest, more))
        asked = [p for p in parents if not any(predicate.matches(p) for predicate in call.skip)]
        together = any(c.parent == call.parent and c.embedded for c in collection.lists)
        parent_only = self._listed(parent) if parent.parent_only and not together else 0
        return parent_only + sum(_pages(counts[obj["id"]]) for obj in asked)

    def _previews(self, collection: Collection, call: PreviewCall) -> int:
        parents = self._objects(self._parent(call).object)
        asked = [p for p in parents if not any(predicate.matches(p) for predicate in call.skip)]
        return len(asked) + sum(
            _rest(len(p["lines"]["data"])) for p in self._objects(collection.name)
        )

    def _expanded(self, collection: Collection) -> int:
        """Hosts one by one or a page of them at a time, whatever is less."""
        [source] = collection.sources
        found = self._objects(self._catalog.parent(source.collection).object)
        own = {obj["id"] for obj in self._objects(collection.object)}
        referencing = sum(not own.isdisjoint(_ids(obj, source.field)) for obj in found)
        return min(referencing, _pages(referencing if source.params else len(found)))

    def _embedded(self, collection: Collection) -> int:
        """The same for several kinds of hosts; only unseen references of each count.

        Hosts that are not stored, or that contain the objects only when expanded, are all listed.
        """
        seen: set[str] = set()
        total = 0
        for host_id, sources in self._containers(collection).items():
            host = self._catalog.parent(host_id)
            found = self._objects(host.object)
            referencing = 0
            for obj in found:
                new = {n for s in sources for n in _ids(obj, s.field)} - seen
                referencing += bool(new)
                seen |= new
            if host.parent_only or any(source.only_expanded for source in sources):
                total += self._listed(host)
            elif any(source.expand for source in sources):
                total += min(referencing, _pages(len(found)))
        return total

    def _containers(self, collection: Collection) -> dict[str, list[SourceField]]:
        """Fields with the collection's objects; those of an embedded list are in its parent."""
        found: dict[str, list[SourceField]] = {}
        for source in collection.sources:
            owner = self._catalog.parent(source.collection)
            calls = [call for call in owner.lists if call.parent and call.embedded]
            changes: dict[str, Any] = {}
            if calls and owner.retrieval is Retrieval.NESTED_LIST:
                path = f"{calls[0].embedded}.data.*.{source.field}"
                changes = {"collection": calls[0].parent, "field": path}
            placed = source.model_copy(update=changes)
            found.setdefault(placed.collection, []).append(placed)
        return found

    def _referenced(self, collection: Collection) -> set[str]:
        return {
            name
            for source in collection.sources
            for obj in self._objects(self._catalog.parent(source.collection).object)
            for name in _ids(obj, source.field)
            if name.startswith(collection.id_prefixes or "")
        }


def _ids(value: Any, path: str) -> list[str]:
    """Ids at a dotted path; ``*`` is every element, other parts apply to each array element."""
    values = [value]
    for part in path.split("."):
        if part == "*":
            nested = (v.values() if isinstance(v, dict) else v for v in values)
            values = [v for each in nested if isinstance(each, Iterable) for v in each]
            continue
        flat = [v for each in values for v in (each if isinstance(each, list) else [each])]
        values = [v.get(part) for v in flat if isinstance(v, dict)]
    return [name for name in map(_id, values) if name]


def _id(value: Any) -> str | None:
    """The id that a field has, alone or in an object."""
    name = value.get("id") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None


def _pages(count: int) -> int:
    return max(1, ceil(count / PAGE))


def _rest(count: int) -> int:
    """Requests for the objects of a list that its parent does not embed."""
    return ceil(max(0, count - EMBEDDED) / PAGE)


def _is_list(value: Any) -> bool:
    return isinstance(value, dict) and value.get("object") == "list"


def _fits(obj: Any, variant: Mapping[str, str], named: Iterable[tuple[str, str]]) -> bool:
    def text(name: str) -> str:
        return str(obj.get(name)).lower()

    if variant:
        return all(text(name) == value for name, value in variant.items())
    return not any(text(name) == value for name, value in named)
