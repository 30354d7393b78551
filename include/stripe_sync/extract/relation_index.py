"""Which collections are related to which, as the catalogue says, looked up by parent."""

from __future__ import annotations

from stripe_sync.catalog import Catalog, Collection, ListCall, Retrieval, SourceField
from stripe_sync.catalog.calls import Trigger
from stripe_sync.extract.extractors.previews import PreviewExtractor
from stripe_sync.extract.source_objects import Requester
from stripe_sync.sync.session import Session


class RelationIndex:
    """Relations between collections, from the side of the parents.

    Args:
        catalog: The catalogue.

    Attributes:
        embedded: By parent: the collections whose lists stand in it unasked.
        refreshed: Collections whose lists below one parent, or previews (none), Stripe events of
            others speak of.
        named: By holder: paths to ids of objects that are retrieved by them.
        held: By holder: the fields that hold objects.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.embedded: dict[str, list[tuple[Collection, ListCall]]] = {}
        self.refreshed: list[tuple[Collection, tuple[ListCall, ...], tuple[Trigger, ...]]] = []
        self.named: dict[str, dict[str, list[str]]] = {}
        self.held: dict[str, dict[str, list[SourceField]]] = {}
        for row in catalog.values():
            self._add_lists(row)
            for holder_id, sources in holders(catalog, row).items():
                if row.retrieval is Retrieval.EMBEDDED:
                    self.held.setdefault(holder_id, {})[row.id] = sources
            if row.retrieve and row.retrieval is not Retrieval.EMBEDDED:
                for source in row.sources:
                    by_row = self.named.setdefault(source.collection, {})
                    by_row.setdefault(row.id, []).append(source.field)

    def _add_lists(self, row: Collection) -> None:
        below: dict[str, list[ListCall]] = {}
        for call in row.lists:
            if call.parent:
                below.setdefault(call.parent, []).append(call)
                if call.embedded and not call.expand:
                    self.embedded.setdefault(call.parent, []).append((row, call))
        for calls in below.values():
            # All lists of a parent together tell what is gone, whichever of them was spoken of.
            triggers = dict.fromkeys(trigger for call in calls for trigger in call.refreshed_by)
            if triggers:
                self.refreshed.append((row, tuple(calls), tuple(triggers)))
        if row.preview and row.preview.refreshed_by:
            self.refreshed.append((row, (), row.preview.refreshed_by))


def holders(catalog: Catalog, row: Collection) -> dict[str, list[SourceField]]:
    """Where objects stand, by collection: those in a nested object are found in its parent."""
    found: dict[str, list[SourceField]] = {}
    for source in row.sources:
        held = source
        owner = catalog.parent(source.collection)
        call = next((call for call in owner.lists if call.parent and call.embedded), None)
        if owner.retrieval is Retrieval.NESTED_LIST and call is not None:
            below = f"{call.embedded}.data"
            changes = {
                "collection": call.parent,
                "field": f"{below}.*.{source.field}",
                "expand": source.expand and f"{below}.{source.expand}",
            }
            held = source.model_copy(update=changes)
        found.setdefault(held.collection, []).append(held)
    return found


def make_previews(session: Session, requester: Requester, row: Collection) -> PreviewExtractor:
    """The harvest that asks for the previews of a collection."""
    if row.preview is None:
        message = f"{row.id} is computed by no call of its own"
        raise ValueError(message)
    lines = [
        (other, session.normalizer(other), source.field)
        for other in session.catalog.values()
        for source in other.sources
        if other.retrieval is Retrieval.PREVIEW and source.collection == row.id
    ]
    return PreviewExtractor(
        requester,
        row,
        row.preview,
        normalizer=session.normalizer(row),
        lines=lines,
        api_version=session.settings.api_version,
        stored=session.stored_children,
    )
