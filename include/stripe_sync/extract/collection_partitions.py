"""The partitions that together are one collection, chosen by its entry in the catalogue."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from stripe_sync.catalog import (
    STRIPE_EVENTS,
    Collection,
    Evidence,
    ListCall,
    PreviewCall,
    Retrieval,
    SourceField,
)
from stripe_sync.client import PacingLimits
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.extractors.child_lists import (
    ChildListExtractor,
    GrandchildExtractor,
    LikelyParentExtractor,
)
from stripe_sync.extract.extractors.embedded import (
    EmbeddedExtractor,
    EventPayloadExtractor,
    ObjectExtractor,
)
from stripe_sync.extract.extractors.previews import PreviewExtractor
from stripe_sync.extract.extractors.references import ReferenceExtractor, RehydratingExtractor
from stripe_sync.extract.extractors.source_objects import RecordExtractor
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.partitions import (
    LONG_LISTS,
    STORED_OBJECTS,
    Listing,
    Partition,
    stored_partition,
)
from stripe_sync.extract.relations import containers
from stripe_sync.records import Condition

log = logging.getLogger(__name__)


class CollectionPartitions:
    """Chooses the partitions of one collection.

    Args:
        collection: The collection.
        context: The sync.
        since: Unix seconds; leave out objects created earlier, where the lists can. None for all.

    Attributes:
        known: Ids of objects that need not be retrieved any more; partitions add to them.
    """

    def __init__(self, collection: Collection, context: ReadContext, since: int | None) -> None:
        self._collection = collection
        self._context = context
        self._catalog = context.catalog
        self._since = since
        self._set_aside = context.requester.set_aside
        self.known: set[str] = set()

    async def full(self) -> tuple[list[Partition], list[Partition]]:
        """Partitions of the whole collection, and those to read if Stripe refuses the first."""
        fallback = await self._through_parents(self._collection.fallback_lists)
        version = self._context.version_of(self._collection)
        if any(version < (call.complete_since or "") for call in self._collection.lists):
            return fallback, []
        return await self._by_retrieval(), fallback

    async def _by_retrieval(self) -> list[Partition]:
        collection = self._collection
        if collection.preview:
            return await self._previews(collection.preview)
        if collection.retrieval is Retrieval.EVENT_ONLY:
            return self._event_payloads()
        found = await self._own_lists()
        found += await self._through_parents(collection.lists)
        if collection.retrieval in {Retrieval.EMBEDDED, Retrieval.EXPANDED}:
            found += await self._contained()
        elif collection.retrieval is not Retrieval.PREVIEW:
            found += await self._referenced()
        return found

    def of_recent_parents(self) -> list[Partition]:
        """Partitions of the children of parents created since; nothing is marked as deleted."""
        return [
            partition
            for parent, calls in self._by_parent(self._collection.lists)
            if parent.listed_by_time
            for partition in self._listing(
                parent,
                ChildListExtractor(self._context, self._collection, calls, tombstones=False),
                _expanded_lists(calls),
            ).partitions(since=self._since)
        ]

    async def _own_lists(self) -> list[Partition]:
        collection = self._collection
        listing = Listing(
            self._context.requester,
            collection,
            ObjectExtractor(self._context, collection),
            expand=collection.expand,
            complete=True,
            api_version=collection.api_version,
        )
        return [*listing.partitions(since=self._since), *await self._of_test_clocks(listing)]

    def _by_parent(self, calls: Sequence[ListCall]) -> Iterator[tuple[Collection, list[ListCall]]]:
        below = [call for call in calls if call.parent]
        for parent_id, group in groupby(below, lambda call: str(call.parent)):
            yield self._catalog.parent(parent_id), list(group)

    async def _through_parents(self, calls: Sequence[ListCall]) -> list[Partition]:
        """The children of all objects of the parent collections."""
        found: list[Partition] = []
        for parent, group in self._by_parent(calls):
            # A list that is embedded only when expanded is missing from the stored parent.
            expand = _expanded_lists(group)
            # What never changes belongs to its parent as a whole, however old its parts are.
            whole = all(call.read_once for call in group)
            extractor: RecordExtractor = ChildListExtractor(
                self._context, self._collection, group, since=None if whole else self._since
            )
            if not any(call.embedded for call in group):
                evidence = [each for call in group for each in call.evidence]
                extractor = await self._of_likely_parents(parent, extractor, evidence)
            found += await self._through(
                parent,
                extractor,
                expand=expand,
                fields=() if expand else _parent_fields(group),
                use_stored=not expand,
                since=self._since if whole else None,
                at_once=LONG_LISTS if whole else STORED_OBJECTS,
            )
        return found

    async def _through(
        self,
        host: Collection,
        extractor: RecordExtractor,
        *,
        expand: Sequence[str] = (),
        fields: Sequence[str] = (),
        condition: Condition | None = None,
        use_stored: bool = True,
        complete: bool = False,
        params: Mapping[str, str] | None = None,
        since: int | None = None,
        at_once: int = STORED_OBJECTS,
    ) -> list[Partition]:
        """All objects of another collection, as they are stored or as Stripe lists them.

        ``fields`` and ``condition`` narrow what is read from the warehouse, ``at_once`` of it at a
        time; ``expand``, ``params``, ``complete`` and ``since`` apply to Stripe's lists.
        """
        if use_stored and await self._is_stored(host):
            stored = self._context.stored
            return [
                stored_partition(
                    stored,
                    host,
                    extractor,
                    set_aside=self._set_aside,
                    fields=fields,
                    condition=condition,
                    at_once=at_once,
                )
            ]
        if host.retrieval is Retrieval.TOP_LEVEL_LIST:
            listing = self._listing(host, extractor, expand, complete=complete)
            own = listing.partitions(params=params, since=since)
            return [*own, *await self._of_test_clocks(listing)]
        found: list[Partition] = []
        for call in host.lists:
            if call.parent:
                children = ChildListExtractor(self._context, host, [call])
                expand = _expanded_lists([call])
                found += await self._through(
                    self._catalog.parent(call.parent),
                    GrandchildExtractor(children, extractor),
                    expand=expand,
                    use_stored=not expand,
                )
        return found

    def _listing(
        self,
        host: Collection,
        extractor: RecordExtractor,
        expand: Sequence[str] = (),
        *,
        complete: bool = False,
    ) -> Listing:
        # What only an old version shows is expanded in that version.
        version = self._collection.api_version if expand else None
        return Listing(
            self._context.requester,
            host,
            extractor,
            expand=tuple(expand),
            complete=complete,
            api_version=version or host.api_version,
        )

    async def _of_test_clocks(self, listing: Listing) -> list[Partition]:
        return [] if self._context.livemode else await listing.test_clock_partitions()

    async def _is_stored(self, host: Collection) -> bool:
        return not host.parent_only and await self._context.stored.is_complete(host.id)

    async def _referenced(self) -> list[Partition]:
        """Objects that others reference."""
        by_host: dict[str, list[str]] = {}
        for source in self._collection.sources:
            by_host.setdefault(source.collection, []).append(source.field)
        return [
            partition
            for host_id, paths in by_host.items()
            for partition in await self._through(
                self._catalog.parent(host_id),
                ReferenceExtractor(self._context, self._collection, paths, self.known),
                fields=_heads(paths),
                condition=Condition(paths=tuple(paths)),
            )
        ]

    async def _contained(self) -> list[Partition]:
        """Objects that others contain."""
        found: list[Partition] = []
        for host_id, fields in containers(self._catalog, self._collection).items():
            host = self._catalog.parent(host_id)
            only_expanded = any(each.only_expanded for each in fields)
            if not only_expanded and await self._is_stored(host):
                found += await self._through_stored(host, fields)
                continue
            found += await self._through(
                host,
                EmbeddedExtractor(self._context, self._collection, fields, self.known),
                expand=[each.expand for each in fields if each.expand],
                use_stored=False,
                complete=True,
                params=fields[0].params,
            )
        return found

    async def _through_stored(
        self, host: Collection, fields: Sequence[SourceField]
    ) -> list[Partition]:
        """Objects that stored objects contain or reference, with as few requests as possible."""
        stored, condition = self._context.stored, self._containing(host, fields)
        extractor = EmbeddedExtractor(self._context, self._collection, fields, self.known)
        expand = [each.expand for each in fields if each.expand]
        if not expand:
            return [
                stored_partition(
                    stored, host, extractor, set_aside=self._set_aside, condition=condition
                )
            ]
        params = fields[0].params
        containing = await stored.count(host.id, condition)
        listed = containing if params else await stored.count(host.id)
        found: list[Partition] = []
        if containing > listed / PAGE_SIZE:
            # A list returns 100 objects per request, but does not complete embedded lists.
            found = self._listing(host, extractor, expand).partitions(params=params)
            if self._collection.retrieval is Retrieval.EXPANDED:
                return found
        version = self._collection.api_version or host.api_version
        rest = RehydratingExtractor(self._context, host, fields, self.known, extractor, version)
        heads = _heads(["id", *(each.field for each in fields)])
        last = stored_partition(
            stored, host, rest, set_aside=self._set_aside, fields=heads, condition=condition
        )
        return [*found, last]

    def _containing(self, host: Collection, fields: Sequence[SourceField]) -> Condition:
        """Which stored objects may contain or reference objects of this collection."""
        own = self._collection
        if own.retrieval is not Retrieval.EXPANDED:
            return Condition(paths=tuple(each.field for each in fields))
        collections = (*self._catalog.values(), *self._catalog.parent_only.values())
        others = [other for other in collections if other is not own]
        prefixes = {prefix for other in others for prefix in other.id_prefixes}
        return Condition(
            equal=fields[0].params,
            reference=fields[0].field,
            unlike=tuple(sorted(prefixes - set(own.id_prefixes))),
            stored_in=tuple(
                other.id
                for other in others
                if other.retrieval is Retrieval.EXPANDED
                if any(source.collection == host.id for source in other.sources)
            ),
        )

    async def _previews(self, call: PreviewCall) -> list[Partition]:
        fields = ["id", *_heads([predicate.field for predicate in call.skip])]
        parent = self._catalog.parent(call.parent)
        previews = PreviewExtractor(self._context, self._collection, call)
        extractor = await self._of_likely_parents(parent, previews, call.evidence)
        return await self._through(parent, extractor, fields=fields)

    async def _of_likely_parents(
        self, parent: Collection, extractor: RecordExtractor, evidence: Sequence[Evidence]
    ) -> RecordExtractor:
        """An extractor that takes a request for each parent, without unlikely parents."""
        stored = self._context.stored
        needed = {each.collection for each in evidence} - {self._collection.id}
        known = [await self._is_stored(self._catalog.parent(name)) for name in sorted(needed)]
        if not evidence or self._context.every_parent or not all(known):
            if await self._is_stored(parent):
                self._announce(await stored.count(parent.id))
            return extractor
        likely = {name for each in evidence for name in await stored.named_by(each)}
        self._announce(len(likely))
        return LikelyParentExtractor(extractor, likely)

    def _announce(self, requests: int) -> None:
        limits = PacingLimits.for_key(livemode=self._context.livemode)
        hours = requests / min(limits.per_endpoint, limits.backfill) / 3600
        log.info("%s: up to %s requests, %.1f h", self._collection.name, f"{requests:,}", hours)

    def _event_payloads(self) -> list[Partition]:
        extractor = EventPayloadExtractor(self._context, self._collection)
        listing = self._listing(self._catalog[STRIPE_EVENTS], extractor)
        return [
            partition
            for name in self._collection.events.all
            for partition in listing.partitions(since=self._since, params={"type": name})
        ]


def _expanded_lists(calls: Sequence[ListCall]) -> list[str]:
    return [str(call.embedded) for call in calls if call.expand]


def _heads(paths: Sequence[str]) -> list[str]:
    """The top-level fields of dotted paths."""
    return sorted({path.partition(".")[0] for path in paths})


def _parent_fields(calls: Sequence[ListCall]) -> list[str]:
    """Top-level fields of a parent that are needed to find its children."""
    paths = [predicate.field for call in calls for predicate in call.skip]
    return ["id", *_heads([*paths, *(call.embedded for call in calls if call.embedded)])]
