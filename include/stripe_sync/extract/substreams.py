"""Objects that change together with others: children, referenced, contained, computed objects.

Most of them have no Stripe events of their own. Whenever their parent is fetched anyway, or a
Stripe event refers to their list (``refreshed_by`` in the catalogue), they are read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain

from stripe_sync.errors import EndpointUnavailable, PermissionDenied
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.extractors.missing import NamedObjects
from stripe_sync.extract.reader import CollectionReader, Extracted, FetchedObject
from stripe_sync.extract.relations import Relations
from stripe_sync.records import Observation, canonical_json
from stripe_sync.records.canonical_json import JsonObject

log = logging.getLogger(__name__)

__all__ = ["FetchedObject", "SubstreamResult", "Substreams"]


@dataclass(slots=True)
class SubstreamResult:
    """Objects that changed together with others.

    Attributes:
        observations: Their states, without a Stripe event: an event belongs to its own object.
        failed: Stripe events whose substreams are not read; try them again.
        forbidden: Ids of collections that the key may not read, with the error.
        whole: Whether everything was read that the key may read.
    """

    observations: list[Observation] = field(default_factory=list)
    failed: list[JsonObject] = field(default_factory=list)
    forbidden: dict[str, PermissionDenied] = field(default_factory=dict)
    whole: bool = True


class Substreams:
    """Reads the objects that may have changed together with others.

    Args:
        context: The sync.
        slots: Bounds the requests in flight.
    """

    def __init__(self, context: ReadContext, slots: asyncio.Semaphore) -> None:
        self._context = context.through(replace(context.requester, slots=slots))
        self._by_host: dict[str, list[str]] = {}
        self._by_event: list[str] = []
        self._readers: dict[str, CollectionReader] = {}
        for collection in context.catalog.values():
            if not context.selected(collection.id):
                continue
            self._readers[collection.id] = CollectionReader(collection, self._context)
            relations = Relations.of(context.catalog, collection)
            for host_id in {*relations.embedded, *relations.references, *relations.containers}:
                self._by_host.setdefault(host_id, []).append(collection.id)
            if relations.refreshed:
                self._by_event.append(collection.id)
        self._unreadable: set[str] | None = None
        self._named = NamedObjects(self._context)

    @property
    def hosts(self) -> Set[str]:
        """Ids of the collections whose objects lead to others."""
        return self._by_host.keys()

    async def find(
        self,
        events: Sequence[JsonObject],
        fetched: Sequence[FetchedObject],
        *,
        postpone_long: bool = False,
    ) -> SubstreamResult:
        """Read the objects that may have changed together with others.

        Args:
            events: Stripe events, oldest first.
            fetched: The objects that they are about, as far as they still exist.
            postpone_long: Whether lists that may take many requests are left for another try.
        """
        result = SubstreamResult()
        found = await self._read(events, fetched, result, postpone_long=postpone_long)
        # These may lead to others: a setup attempt to the mandate that it created.
        await self._read((), found, result)
        result.observations += await self._named_objects(events, fetched, result.observations)
        return result

    async def embedded(self, fetched: FetchedObject) -> list[Observation]:
        """The objects that one object contains, without those that take a request to read.

        Args:
            fetched: The object, with complete embedded lists.
        """
        names = self._by_host.get(fetched.collection.id, ())
        found = await asyncio.gather(
            *(self._readers[name].embedded_in([fetched]) for name in names)
        )
        return [each for extracted in chain(*found) for each in extracted.observations]

    async def _named_objects(
        self,
        events: Sequence[JsonObject],
        fetched: Sequence[FetchedObject],
        observations: Sequence[Observation],
    ) -> list[Observation]:
        """Objects that these name and that are neither stored nor among them."""
        objects = [(each.collection.id, each.obj) for each in fetched]
        objects += [
            (each.collection_id, canonical_json.loads(each.payload_json))
            for each in observations
            if not each.deleted
        ]
        known = {(each.collection_id, each.upstream_id) for each in observations}
        known |= {(name, str(obj.get("id"))) for name, obj in objects}
        reported = [event["data"]["object"] for event in events]
        for obj in reported:
            for collection in self._context.catalog.route(obj.get("object", "")):
                known.add((collection.id, str(obj.get("id"))))
        return await self._named.find(objects, known)

    async def _read(
        self,
        events: Sequence[JsonObject],
        objects: Sequence[FetchedObject],
        result: SubstreamResult,
        *,
        postpone_long: bool = False,
    ) -> list[FetchedObject]:
        """Read one level; returns the objects that may lead to the next one."""
        if self._unreadable is None:
            self._unreadable = await self._context.stored.unreadable()
        hosts = dict.fromkeys(each.collection.id for each in objects)
        related = [name for host_id in hosts for name in self._by_host.get(host_id, ())]
        related += self._by_event if events else ()
        readable = (name for name in dict.fromkeys(related) if name not in self._unreadable)
        reads = []
        for reader in (self._readers[name] for name in readable):
            later = reader.long_lists(events) if postpone_long else []
            result.failed += later
            rest = [event for event in events if event not in later] if later else events
            reads.append(reader.for_changes(objects, rest))
        found = await asyncio.gather(*reads)
        return [obj for each in chain(*found) for obj in self._add(each, result)]

    def _add(self, extracted: Extracted, result: SubstreamResult) -> list[FetchedObject]:
        """Add to the result; returns the objects that may lead to others."""
        assert self._unreadable is not None  # noqa: S101 - loaded before anything is read
        collection_id, error = extracted.collection.id, extracted.error
        if isinstance(error, PermissionDenied):
            result.forbidden[collection_id] = error
            self._unreadable.add(collection_id)
        elif isinstance(error, EndpointUnavailable):
            log.info("%s: %s", collection_id, error)
            self._unreadable.add(collection_id)
        elif error:
            log.warning("%s: %s", collection_id, error)
            result.failed += extracted.events
            result.whole = False
        result.observations += extracted.observations
        return [
            FetchedObject(
                self._context.catalog[each.collection_id],
                canonical_json.loads(each.payload_json),
                each.observed_at,
                extracted.events,
            )
            for each in extracted.observations
            if not each.deleted and each.collection_id in self._by_host
        ]
