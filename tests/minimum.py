"""The fewest requests that Stripe's API allows for obtaining a collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import ceil
from typing import Any

from stripe_sync.catalog import (
    Catalog,
    Collection,
    ListCall,
    Obtained,
    SourceField,
    load_catalog,
)
from stripe_sync.catalog.calls import reference
from stripe_sync.extract.shown import ids_at

PAGE = 100
EMBEDDED = 10
"""Objects of a list that its parent shows."""

Objects = Callable[[str], list[Any]]
"""All objects of a kind that the account holds, by the value of their ``object`` field."""


def minimum_requests(  # noqa: PLR0911 - one for each way
    row: Collection, objects: Objects, catalog: Catalog | None = None
) -> int:
    """Requests that a backfill of a collection needs, its parents being stored where they can be.

    Looking for test clocks is left out: it takes one request more for each list that hides them.

    Args:
        row: The collection.
        objects: Reads what the account holds (``control.objects`` of the sandbox).
        catalog: The catalogue, unless it is the shipped one.
    """
    catalog = catalog or load_catalog()
    if row.obtained is Obtained.CREATE_ONLY:
        return 0
    if row.obtained is Obtained.EVENT_ONLY:
        kinds = Counter(event["type"] for event in objects("event"))
        return sum(_pages(kinds[name]) for name in row.events.all)
    if row.preview:
        parents = objects(catalog.parent(row.preview.parent).object)
        return sum(not any(rule.applies(p) for rule in row.preview.skip) for p in parents)
    if row.obtained is Obtained.PREVIEW:
        return 0
    if row.obtained is Obtained.EXPANDED:
        return min(1, len(objects(row.object)))
    if row.obtained is Obtained.EMBEDDED:
        # Some holders show nothing unless asked; of the others a page tells at most a hundred.
        hidden = [catalog.parent(s.collection) for s in row.sources if s.included]
        hidden += [p for p in map(catalog.parent, {s.collection for s in row.sources}) if p.hidden]
        whole = {n for s in row.sources if not s.expand for n in _held(s, objects, catalog)}
        rest = {obj["id"] for obj in objects(row.object)} - whole
        return sum(_pages(len(objects(p.object))) for p in hidden) + ceil(len(rest) / PAGE)
    if row.obtained is Obtained.RETRIEVE_ONLY:
        return len(_named(row, objects, catalog))
    top = sum(_listed(row, call, objects(row.object)) for call in row.lists if not call.parent)
    below = sum(_below(row, call, objects, catalog) for call in row.lists if call.parent)
    return top + below + (_completions(row, objects, catalog) if top else 0)


def _pages(count: int) -> int:
    return max(1, ceil(count / PAGE))


def _listed(row: Collection, call: ListCall, found: list[Any]) -> int:
    if row.obtained is Obtained.NESTED_LIST:
        found = [obj for obj in found if (obj.get("owner") or {}).get("type") == "self"]
    if not call.variants:
        return _pages(len(found))
    named = [v for variant in call.variants for v in variant.items()]
    return sum(
        _pages(sum(_fits(obj, variant, named) for obj in found)) for variant in call.variants
    )


def _fits(obj: Any, variant: dict[str, str], named: Iterable[tuple[str, str]]) -> bool:
    def text(name: str) -> str:
        return str(obj.get(name)).lower()

    if variant:
        return all(text(name) == value for name, value in variant.items())
    return not any(text(name) == value for name, value in named)


def _completions(row: Collection, objects: Objects, catalog: Catalog) -> int:
    """Requests for the rest of lists of which objects show the beginning."""
    left_out = {
        call.embedded
        for other in catalog.values()
        for call in other.lists
        if call.parent == row.id and call.expand
    }
    lists = [
        value
        for obj in objects(row.object)
        for name, value in obj.items()
        if isinstance(value, dict) and name not in left_out
    ]
    long = [len(v["data"]) for v in lists if v.get("object") == "list"]
    return sum(ceil((count - EMBEDDED) / PAGE) for count in long if count > EMBEDDED)


def _below(row: Collection, call: ListCall, objects: Objects, catalog: Catalog) -> int:
    parent = catalog.parent(str(call.parent))
    parents = objects(parent.object)
    if call.embedded and not call.expand and not parent.hidden:
        return 0  # they are in what is stored
    name = call.placeholders[0]
    counts = Counter(reference(obj.get(name)) for obj in objects(row.object))
    if call.embedded:
        more = [n - EMBEDDED for n in counts.values() if n > EMBEDDED]
        return _pages(len(parents)) + sum(ceil(n / PAGE) for n in more)
    asked = [p for p in parents if not any(rule.applies(p) for rule in call.skip)]
    hidden = _pages(len(parents)) if parent.hidden else 0
    return hidden + sum(_pages(counts[obj["id"]]) for obj in asked)


def _held(source: SourceField, objects: Objects, catalog: Catalog) -> set[str]:
    holders = objects(catalog.parent(source.collection).object)
    return {name for obj in holders for name in ids_at(obj, source.field)}


def _named(row: Collection, objects: Objects, catalog: Catalog) -> set[str]:
    return {
        name
        for source in row.sources
        for obj in objects(catalog.parent(source.collection).object)
        for name in ids_at(obj, source.field)
        if name.startswith(row.id_prefixes or "")
    }
