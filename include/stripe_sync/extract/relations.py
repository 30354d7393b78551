"""Where objects of a collection are found when objects of others change, from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field

from stripe_sync.catalog import Catalog, Collection, ListCall, Retrieval, SourceField
from stripe_sync.catalog.calls import Trigger


@dataclass(frozen=True, slots=True)
class Relations:
    """Where objects of one collection are found when objects of others change.

    Attributes:
        embedded: By parent: lists that it embeds without expansion.
        refreshed: Lists with the same parent, or none for previews, and the Stripe events after
            which they may differ.
        references: By referencing collection: paths to ids of objects that can be retrieved.
        containers: By containing collection: the fields that contain the objects.
    """

    embedded: dict[str, list[ListCall]] = field(default_factory=dict)
    refreshed: list[tuple[tuple[ListCall, ...], tuple[Trigger, ...]]] = field(default_factory=list)
    references: dict[str, list[str]] = field(default_factory=dict)
    containers: dict[str, list[SourceField]] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, collection: Collection) -> Relations:
        """The relations of a collection."""
        found = cls()
        by_parent: dict[str, list[ListCall]] = {}
        for call in collection.lists:
            if call.parent:
                by_parent.setdefault(call.parent, []).append(call)
                if call.embedded and not call.expand:
                    found.embedded.setdefault(call.parent, []).append(call)
        # Only all lists of a parent together show which children are deleted.
        for calls in by_parent.values():
            if triggers := tuple(dict.fromkeys(t for call in calls for t in call.refreshed_by)):
                found.refreshed.append((tuple(calls), triggers))
        if collection.preview and collection.preview.refreshed_by:
            found.refreshed.append(((), collection.preview.refreshed_by))
        if collection.retrieval is Retrieval.EMBEDDED:
            found.containers.update(containers(catalog, collection))
        elif collection.retrieve:
            for source in collection.sources:
                found.references.setdefault(source.collection, []).append(source.field)
        return found


def containers(catalog: Catalog, collection: Collection) -> dict[str, list[SourceField]]:
    """The fields that contain or reference a collection's objects, by containing collection.

    Objects in an embedded list, such as the lines of an invoice, are looked for in its parent.
    """
    found: dict[str, list[SourceField]] = {}
    for source in collection.sources:
        container = source
        owner = catalog.parent(source.collection)
        call = next((call for call in owner.lists if call.parent and call.embedded), None)
        if owner.retrieval is Retrieval.NESTED_LIST and call is not None:
            below = f"{call.embedded}.data"
            changes = {
                "collection": call.parent,
                "field": f"{below}.*.{source.field}",
                "expand": source.expand and f"{below}.{source.expand}",
            }
            container = source.model_copy(update=changes)
        found.setdefault(container.collection, []).append(container)
    return found
