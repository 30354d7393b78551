"""The fewest requests that Stripe's API allows for obtaining a collection."""

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
    load_catalog,
)
from stripe_sync.catalog.calls import reference
from stripe_sync.extract.relation_index import holders
from stripe_sync.extract.source_objects import ids_at

PAGE = 100
EMBEDDED = 10
"""Objects of a list that its parent shows."""

CLOCK = "test_helpers.test_clock"

Objects = Callable[[str], list[Any]]
"""All objects of a kind that the account holds, by the value of their ``object`` field; previews,
which no account holds, by the short name of their collection."""


def minimum_requests(row: Collection, objects: Objects, catalog: Catalog | None = None) -> int:
    """Requests that a backfill of a collection needs, its parents being stored where they can be.

    Args:
        row: The collection.
        objects: Reads what the account holds (``control.objects`` of the sandbox).
        catalog: The catalogue, unless it is the shipped one.
    """
    return _Minimum(objects, catalog or load_catalog()).of(row)


class _Minimum:
    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        self._objects = objects
        self._catalog = catalog

    def of(self, row: Collection) -> int:
        if row.retrieval is Retrieval.EVENT_ONLY:
            kinds = Counter(event["type"] for event in self._objects("event"))
            return sum(_pages(kinds[name]) for name in row.events.all)
        if row.preview:
            return self._previews(row, row.preview)
        if row.retrieval is Retrieval.EXPANDED:
            return self._expanded(row)
        if row.retrieval is Retrieval.EMBEDDED:
            return self._held(row)
        if row.retrieval is Retrieval.RETRIEVE_ONLY:
            return len(self._named(row))
        # Nothing is asked for what only a creation shows, or what comes along with previews.
        top = any(not call.parent for call in row.lists)
        below = sum(self._below(row, call) for call in row.lists if call.parent)
        return below + (self._listed(row) + self._completions(row) if top else 0)

    def _parent(self, call: ListCall | PreviewCall) -> Collection:
        return self._catalog.parent(str(call.parent))

    def _listed(self, row: Collection) -> int:
        """Requests for a collection's own lists, those of test clocks included."""
        found = self._objects(row.object)
        if row.retrieval is Retrieval.NESTED_LIST:
            found = [obj for obj in found if (obj.get("owner") or {}).get("type") == "self"]
        total = 0
        for call in row.lists:
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
        """What belongs to test clocks is shown clock by clock, or customer by customer."""
        clocks = self._objects(CLOCK)
        owners, field = [clock["id"] for clock in clocks], "test_clock"
        total = _pages(len(clocks))
        if call.test_clocks == "customer":
            customers = [c for c in self._objects("customer") if c.get("test_clock")]
            per_clock = Counter(customer["test_clock"] for customer in customers)
            total += sum(_pages(per_clock[clock]) for clock in owners)
            owners, field = [customer["id"] for customer in customers], "customer"
        counts = Counter(reference(obj.get(field)) for obj in found)
        return total + sum(_pages(counts[owner]) for owner in owners)

    def _completions(self, row: Collection) -> int:
        """Requests for the rest of lists of which objects show the beginning."""
        left_out = {
            call.embedded
            for other in self._catalog.values()
            for call in other.lists
            if call.parent == row.id and call.expand
        }
        return sum(
            _rest(len(value["data"]))
            for obj in self._objects(row.object)
            for name, value in obj.items()
            if _is_list(value) and name not in left_out
        )

    def _below(self, row: Collection, call: ListCall) -> int:
        parent = self._parent(call)
        parents = self._objects(parent.object)
        if call.embedded and not call.expand and not parent.parent_only:
            return 0  # they are in what is stored
        name = call.placeholders[0]
        owners = (reference(obj.get(name)) for obj in self._objects(row.object))
        counts = Counter(owner for owner in owners if owner)
        if call.embedded:
            # Some children do not name their parent; then it holds them itself.
            shown = [p.get(call.embedded) for p in parents]
            more = [len(value["data"]) for value in shown if _is_list(value)] or counts.values()
            return self._listed(parent) + sum(map(_rest, more))
        asked = [p for p in parents if not any(rule.applies(p) for rule in call.skip)]
        together = any(c.parent == call.parent and c.embedded for c in row.lists)
        parent_only = self._listed(parent) if parent.parent_only and not together else 0
        return parent_only + sum(_pages(counts[obj["id"]]) for obj in asked)

    def _previews(self, row: Collection, call: PreviewCall) -> int:
        parents = self._objects(self._parent(call).object)
        asked = [p for p in parents if not any(rule.applies(p) for rule in call.skip)]
        return len(asked) + sum(_rest(len(p["lines"]["data"])) for p in self._objects(row.name))

    def _expanded(self, row: Collection) -> int:
        """Holders one by one or a page of them at a time, whatever is less."""
        [source] = row.sources
        found = self._objects(self._catalog.parent(source.collection).object)
        own = {obj["id"] for obj in self._objects(row.object)}
        naming = sum(not own.isdisjoint(ids_at(obj, source.field)) for obj in found)
        return min(naming, _pages(naming if source.params else len(found)))

    def _held(self, row: Collection) -> int:
        """The same, for several kinds of holders; each names what those before it did not show.

        A list cannot be narrowed to objects that hold something, and some show nothing unless
        asked, or are not stored: of those everything is listed.
        """
        seen: set[str] = set()
        total = 0
        for holder_id, sources in holders(self._catalog, row).items():
            holder = self._catalog.parent(holder_id)
            found = self._objects(holder.object)
            naming = 0
            for obj in found:
                new = {n for s in sources for n in ids_at(obj, s.field)} - seen
                naming += bool(new)
                seen |= new
            if holder.parent_only or any(source.included for source in sources):
                total += self._listed(holder)
            elif any(source.expand for source in sources):
                total += min(naming, _pages(len(found)))
        return total

    def _named(self, row: Collection) -> set[str]:
        return {
            name
            for source in row.sources
            for obj in self._objects(self._catalog.parent(source.collection).object)
            for name in ids_at(obj, source.field)
            if name.startswith(row.id_prefixes or "")
        }


def _pages(count: int) -> int:
    return max(1, ceil(count / PAGE))


def _rest(count: int) -> int:
    """Requests for what a list holds beyond what its owner shows."""
    return ceil(max(0, count - EMBEDDED) / PAGE)


def _is_list(value: Any) -> bool:
    return isinstance(value, dict) and value.get("object") == "list"


def _fits(obj: Any, variant: Mapping[str, str], named: Iterable[tuple[str, str]]) -> bool:
    def text(name: str) -> str:
        return str(obj.get(name)).lower()

    if variant:
        return all(text(name) == value for name, value in variant.items())
    return not any(text(name) == value for name, value in named)
