"""Which collections are read together with others, and in which order collections are read."""

from __future__ import annotations

from collections.abc import Iterable

from stripe_sync.catalog.catalog import Catalog
from stripe_sync.catalog.model import Collection, Retrieval


def has_own_reader(collection: Collection) -> bool:
    """Whether a collection is read by itself; others are read together with their hosts."""
    return collection.retrieval is not Retrieval.PREVIEW or collection.preview is not None


def derived_collections(catalog: Catalog, host: Collection) -> list[Collection]:
    """Collections that are read together with a collection."""
    return [
        other
        for other in catalog.values()
        if not has_own_reader(other)
        and any(source.collection == host.id for source in other.sources)
    ]


def host_collections(catalog: Catalog, collection: Collection) -> list[Collection]:
    """Collections together with which a collection is read."""
    return [
        other for other in catalog.values() if collection in derived_collections(catalog, other)
    ]


def dependency_level(catalog: Catalog, collection: Collection) -> int:
    """When to read a collection: 1 first, each other one after those that it is read through.

    Any other order finds the same objects with more requests.
    """
    by_itself = (Retrieval.TOP_LEVEL_LIST, Retrieval.EVENT_ONLY, Retrieval.CREATE_ONLY)
    if collection.retrieval in by_itself:
        return 1
    through = {call.parent for call in collection.lists}
    through |= {source.collection for source in collection.sources}
    through.add(collection.preview.parent if collection.preview else None)
    levels = [
        dependency_level(catalog, catalog[name]) for name in through if name and name in catalog
    ]
    return 1 + max(levels, default=1)


def read_order(catalog: Catalog, collections: Iterable[Collection]) -> list[Collection]:
    """The collections to read to obtain some collections, in the order to read them.

    Collections without a reader of their own are replaced by their hosts. Expensive ones come last.
    """
    readers = {
        reader.id
        for collection in collections
        for reader in (
            [collection] if has_own_reader(collection) else host_collections(catalog, collection)
        )
    }
    found = [collection for collection in catalog.values() if collection.id in readers]
    return sorted(
        found,
        key=lambda each: (is_expensive(each), dependency_level(catalog, each)),
    )


def is_expensive(collection: Collection) -> bool:
    """Whether it takes a request for each parent that may have objects; read after all others."""
    calls = (*collection.lists, collection.preview)
    return any(call.evidence for call in calls if call)


def has_window(catalog: Catalog, collection: Collection) -> bool:
    """Whether a collection can be read as far as it was created lately."""
    parents = (catalog.parent(call.parent) for call in collection.lists if call.parent)
    return collection.listed_by_time or (
        collection.retrieval is Retrieval.NESTED_LIST
        and any(parent.listed_by_time for parent in parents)
    )
