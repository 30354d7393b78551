"""The one way from a collection's entry in the catalogue to requests.

``CollectionReader`` reads a collection as a whole (backfill, reconcile), as far as it was created
lately (reconcile), or as far as changes of other objects affect it (poll).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from stripe_sync.catalog import Collection, ListCall, SourceField
from stripe_sync.errors import StripeError
from stripe_sync.extract.collection_partitions import CollectionPartitions
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.extractors.child_lists import ChildListExtractor
from stripe_sync.extract.extractors.embedded import EmbeddedExtractor
from stripe_sync.extract.extractors.previews import PreviewExtractor
from stripe_sync.extract.extractors.references import (
    ReferenceExtractor,
    RehydratingExtractor,
    references_to,
)
from stripe_sync.extract.extractors.source_objects import (
    RecordExtractor,
    SourceObject,
    extract_each,
    ids_at,
)
from stripe_sync.extract.lists.concurrent_ranges import Slice
from stripe_sync.extract.partitions import read_partitions
from stripe_sync.extract.relations import Relations
from stripe_sync.records import ChangeType, Observation, canonical_json
from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """An object that Stripe events are about.

    Attributes:
        collection: Its collection.
        obj: Its current state; never modified.
        observed_at: When the request that returned it was sent.
        events: The Stripe events.
    """

    collection: Collection
    obj: JsonObject
    observed_at: datetime
    events: list[JsonObject]

    def source(self, *fields: str) -> SourceObject:
        """A copy for an extractor, of some fields or of all."""
        obj = {name: self.obj[name] for name in fields or self.obj if name in self.obj}
        return SourceObject(canonical_json.loads(canonical_json.dumps(obj)), self.observed_at)


@dataclass(frozen=True, slots=True)
class Extracted:
    """Objects of one collection that changes of others may have affected.

    Attributes:
        collection: The collection.
        events: The Stripe events that led to them.
        observations: The objects.
        error: Why they could not be read, None where they could.
    """

    collection: Collection
    events: list[JsonObject]
    observations: list[Observation]
    error: StripeError | None = None


_Extraction = tuple[RecordExtractor, list[SourceObject], list[JsonObject]]


class CollectionReader:
    """Reads one collection.

    Args:
        collection: The collection.
        context: The sync.
    """

    def __init__(self, collection: Collection, context: ReadContext) -> None:
        self._collection = collection
        self._context = context

    async def full(
        self, cursor: JsonObject | None = None, *, since: int | None = None
    ) -> AsyncGenerator[Slice, None]:
        """Read everything, oldest first as far as Stripe's lists allow.

        Args:
            cursor: Where an earlier run stopped (``Slice.cursor``), None for the beginning.
            since: Unix seconds; leave out objects created earlier, where the list can.

        Raises:
            StripeError: Stripe refuses the whole collection, or as the client raises it; the slices
                before stay valid. Refusals of a part are recorded (``Requester.refusals``).
        """
        choice = self._partitions(since)
        partitions, fallback = await choice.full()
        refusals = self._context.requester.refusals
        found = read_partitions(partitions, cursor, fallback, refusals=refusals)
        async with aclosing(found) as slices:
            async for each in slices:
                if self._collection.sources:
                    # What one partition returned need not be retrieved in a later one.
                    choice.known.update(o.upstream_id for i in each.items for o in i.observations)
                yield each

    async def window(self, since: int) -> AsyncGenerator[Slice, None]:
        """Read what was created lately, or what belongs to parents that were.

        Args:
            since: Unix seconds.

        Raises:
            StripeError: As the client raises it; the slices before stay valid.
        """
        slices = (
            self.full(since=since)
            if self._collection.listed_by_time
            else read_partitions(
                self._partitions(since).of_recent_parents(),
                None,
                refusals=self._context.requester.refusals,
            )
        )
        async with aclosing(slices):
            async for each in slices:
                yield each

    def _partitions(self, since: int | None) -> CollectionPartitions:
        return CollectionPartitions(self._collection, self._context, since)

    async def for_changes(
        self, objects: Sequence[FetchedObject], events: Sequence[JsonObject]
    ) -> list[Extracted]:
        """Read what may have changed together with other objects.

        These are lists that changed objects embed, lists and previews that Stripe events refer to,
        referenced objects that are not stored yet, and contained objects.

        Args:
            objects: Changed objects, of any collection.
            events: Stripe events, oldest first.

        Returns:
            One entry for each of these; an error in one does not affect the others.
        """
        extractions = [*self._embedded_lists(objects), *self._refreshed(events)]
        extractions += [each async for each in self._new_references(objects)]
        extractions += [each async for each in self._contained(objects)]
        return list(await asyncio.gather(*(self._extract(*each) for each in extractions)))

    def long_lists(self, events: Sequence[JsonObject]) -> list[JsonObject]:
        """Those of some Stripe events after which lists must be read that take many requests."""
        if not any(call.read_once for call in self._collection.lists):
            return []
        return [
            event
            for extractor, sources, reported in self._refreshed(events)
            if isinstance(extractor, ChildListExtractor) and extractor.is_long(sources[0])
            for event in reported
        ]

    async def embedded_in(self, objects: Sequence[FetchedObject]) -> list[Extracted]:
        """As ``for_changes``, only what the objects contain: it takes no request."""
        extractions = list(self._embedded_lists(objects))
        for host_id, fields in self._relations.containers.items():
            changed = _of(host_id, objects)
            if changed and not any(each.expand for each in fields):
                sources = [each.source() for each in changed]
                extractions.append((self._embedded(fields, set()), sources, []))
        return list(await asyncio.gather(*(self._extract(*each) for each in extractions)))

    async def _extract(
        self, extractor: RecordExtractor, sources: list[SourceObject], events: list[JsonObject]
    ) -> Extracted:
        set_aside = self._context.requester.set_aside
        try:
            found = await extract_each(extractor, sources, self._collection.id, set_aside)
        except StripeError as error:
            return Extracted(self._collection, events, [], error)
        return Extracted(self._collection, events, [o for each in found for o in each])

    @cached_property
    def _relations(self) -> Relations:
        return Relations.of(self._context.catalog, self._collection)

    def _embedded_lists(self, objects: Sequence[FetchedObject]) -> Iterator[_Extraction]:
        for host_id, calls in self._relations.embedded.items():
            if changed := _of(host_id, objects):
                for call in calls:
                    sources = [each.source("id", str(call.embedded)) for each in changed]
                    yield self._children([call]), sources, _events_of(changed)

    def _refreshed(self, events: Sequence[JsonObject]) -> Iterator[_Extraction]:
        for calls, triggers in self._relations.refreshed:
            by_parent: dict[str, list[JsonObject]] = {}
            parents: dict[str, JsonObject] = {}
            for event in events:
                for trigger in triggers:
                    if parent_id := trigger.parent_of(event):
                        by_parent.setdefault(parent_id, []).append(event)
                        if trigger.parent == "id":
                            parents[parent_id] = event["data"]["object"]
            for parent_id, reported in by_parent.items():
                parent = parents.get(parent_id, {"id": parent_id})
                extractor = self._refresh(calls, parent_is_known=parent_id in parents)
                # A list in the Stripe event may be older than the event, and is cut.
                embedded = {call.embedded for call in calls}
                obj = {name: value for name, value in parent.items() if name not in embedded}
                if self._is_preview_parent_deleted(reported):
                    obj["deleted"] = True
                yield extractor, [SourceObject(obj, self._context.requester.clock.now())], reported

    def _is_preview_parent_deleted(self, events: Sequence[JsonObject]) -> bool:
        """Whether Stripe events report the deletion of an object that has a preview here."""
        if self._collection.preview is None:
            return False
        change_of = self._context.catalog.parent(self._collection.preview.parent).change_of
        return any(change_of(event["type"]) is ChangeType.DELETED for event in events)

    def _refresh(self, calls: Sequence[ListCall], *, parent_is_known: bool) -> RecordExtractor:
        if not calls and self._collection.preview:
            return PreviewExtractor(self._context, self._collection, self._collection.preview)
        if not parent_is_known:
            # A missing field must not be taken for one that shows that there are no children.
            calls = [call.model_copy(update={"skip": ()}) for call in calls]
        return self._children(calls)

    async def _new_references(self, objects: Sequence[FetchedObject]) -> AsyncIterator[_Extraction]:
        for host_id, paths in self._relations.references.items():
            changed = _of(host_id, objects)
            found = [references_to(self._collection, each.obj, paths) for each in changed]
            if any(found):
                known = await self._existing(*found)
                extractor = ReferenceExtractor(self._context, self._collection, paths, known)
                yield extractor, [each.source() for each in changed], _events_of(changed)

    async def _contained(self, objects: Sequence[FetchedObject]) -> AsyncIterator[_Extraction]:
        for host_id, fields in self._relations.containers.items():
            changed = _of(host_id, objects)
            names = [ids_at(o.obj, each.field) for o in changed for each in fields]
            if not any(each.expand for each in fields):
                extractor: RecordExtractor = self._embedded(fields, set())
            elif changed:
                known, host = await self._existing(*names), self._context.catalog[host_id]
                embedded = self._embedded(fields, known)
                version = self._collection.api_version or host.api_version
                extractor = RehydratingExtractor(
                    self._context, host, fields, known, embedded, version
                )
                chosen = extractor.choose([each.source() for each in changed])
                changed = [each for each, worth in zip(changed, chosen, strict=True) if worth]
            if changed:
                yield extractor, [each.source() for each in changed], _events_of(changed)

    def _children(self, calls: Sequence[ListCall]) -> ChildListExtractor:
        return ChildListExtractor(self._context, self._collection, calls)

    def _embedded(self, fields: Sequence[SourceField], known: set[str]) -> EmbeddedExtractor:
        return EmbeddedExtractor(self._context, self._collection, fields, known)

    async def _existing(self, *ids: Sequence[str]) -> set[str]:
        """Those of some ids that are stored."""
        flat = list(dict.fromkeys(name for names in ids for name in names))
        return await self._context.stored.existing(self._collection.id, flat) if flat else set()


def _of(host_id: str, objects: Sequence[FetchedObject]) -> list[FetchedObject]:
    return [each for each in objects if each.collection.id == host_id]


def _events_of(objects: Sequence[FetchedObject]) -> list[JsonObject]:
    return [event for each in objects for event in each.events]
