"""Which walks obtain a collection, by what the catalogue says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby

from stripe_sync.catalog import Collection, ListCall, Retrieval, SourceField
from stripe_sync.extract.extractors.child_lists import ChildListExtractor, GrandchildExtractor
from stripe_sync.extract.extractors.embedded import (
    EmbeddedExtractor,
    EventPayloadExtractor,
    RecordingExtractor,
    ReferenceExtractor,
    RehydratingExtractor,
    UnseenReferencesOnly,
)
from stripe_sync.extract.pages import PAGE_SIZE, PageReader
from stripe_sync.extract.parent_pages import ParentReader
from stripe_sync.extract.partitions import (
    Partition,
    ReaderOf,
    holds_all,
    listed,
    of_test_clocks,
    stored,
)
from stripe_sync.extract.relation_index import holders, make_previews
from stripe_sync.extract.source_objects import RecordExtractor, Requester
from stripe_sync.extract.windows import Reader
from stripe_sync.sync.session import STRIPE_EVENTS, Session
from stripe_sync.warehouse import Condition


class CollectionPartitions:
    """The walks that together are one collection.

    Args:
        session: The open sync.
        row: The collection.
        since: Unix seconds; leave out objects created earlier, where that can be told.
    """

    def __init__(self, session: Session, row: Collection, since: int | None) -> None:
        self._session = session
        self._catalog = session.catalog
        self._row = row
        self._since = since
        self._requester = Requester(session.api, session.clock)
        self._seen: set[str] = set()

    async def walks(self) -> list[Partition]:
        """The walks, in order."""
        row = self._row
        if self._outdated():
            return await self._children(row.fallback_lists)
        if row.retrieval is Retrieval.PREVIEW:
            return await self._previews()
        if row.retrieval is Retrieval.EVENT_ONLY:
            return self._in_events()
        found = await self._lists()
        found += await self._children(row.lists)
        if row.retrieval in {Retrieval.EMBEDDED, Retrieval.EXPANDED}:
            found += await self._held()
        elif row.sources:
            found += await self._referred()
        return found

    async def fallbacks(self) -> list[Partition]:
        """The walks that stand in where Stripe refuses the first of the others."""
        if self._outdated():
            return []
        return await self._children(self._row.fallback_lists)

    def _outdated(self) -> bool:
        """Whether the lists leave out too much in the version that they are asked in."""
        version = self._row.api_version or self._session.settings.api_version
        return any(version < (call.complete_since or "") for call in self._row.lists)

    async def _lists(self) -> list[Partition]:
        def reader_of(call: ListCall, params: Mapping[str, str]) -> Reader:
            return PageReader(
                self._session.api,
                self._row,
                call,
                normalizer=self._session.normalizer(self._row),
                clock=self._session.clock,
                variant=params,
            )

        return [
            *listed(self._row, reader_of, since=self._since),
            *await of_test_clocks(self._session, self._row, reader_of),
        ]

    async def _children(self, calls: Sequence[ListCall]) -> list[Partition]:
        below = [call for call in calls if call.parent]
        found: list[Partition] = []
        for parent_id, together in groupby(below, lambda call: str(call.parent)):
            group = list(together)
            extractor: RecordExtractor = self._children_of(self._row, group, self._since)
            if self._row.sources:
                # What was listed need not be retrieved once more where it is named.
                extractor = RecordingExtractor(extractor, self._seen)
            expand = [str(call.embedded) for call in group if call.expand]
            # What is only shown when it is expanded is not in the stored object.
            found += await self._through(
                self._catalog.parent(parent_id),
                extractor,
                expand=expand,
                fields=() if expand else _fields(group),
                stored_first=not expand,
            )
        return found

    def _children_of(
        self, row: Collection, calls: Sequence[ListCall], since: int | None = None
    ) -> ChildListExtractor:
        return ChildListExtractor(
            self._requester,
            row,
            calls,
            normalizer=self._session.normalizer(row),
            stored=self._session.stored_children,
            since=since,
        )

    async def _through(
        self,
        row: Collection,
        extractor: RecordExtractor,
        *,
        expand: Sequence[str] = (),
        fields: Sequence[str] = (),
        stored_first: bool = True,
        complete: bool = False,
        params: Mapping[str, str] | None = None,
    ) -> list[Partition]:
        """Walks through all objects of a collection, as they are stored or as Stripe has them."""
        if stored_first and holds_all(self._session, row):
            return [stored(self._session, row, extractor, fields=fields)]
        if row.retrieval is not Retrieval.TOP_LEVEL_LIST:
            return await self._through_parents(row, extractor)

        reader_of = self._reader_of(row, extractor, expand, complete=complete)
        return [
            *listed(row, reader_of, since=None, params=params),
            *await of_test_clocks(self._session, row, reader_of),
        ]

    def _reader_of(
        self,
        row: Collection,
        extractor: RecordExtractor,
        expand: Sequence[str] = (),
        *,
        complete: bool = False,
    ) -> ReaderOf:
        # What is only shown in an old version is only found in it, too.
        version = self._row.api_version if expand else None

        def reader_of(call: ListCall, params: Mapping[str, str]) -> Reader:
            return ParentReader(
                self._requester,
                row,
                call,
                extractor,
                expand=expand,
                params=params,
                complete=complete,
                api_version=version,
            )

        return reader_of

    async def _through_parents(
        self, row: Collection, extractor: RecordExtractor
    ) -> list[Partition]:
        """Walks through a collection that is itself listed below another one."""
        found: list[Partition] = []
        for call in row.lists:
            if call.parent:
                inner = GrandchildExtractor(self._children_of(row, [call]), extractor)
                expand = [str(call.embedded)] if call.expand else []
                parent = self._catalog.parent(call.parent)
                found += await self._through(parent, inner, expand=expand, stored_first=not expand)
        return found

    async def _referred(self) -> list[Partition]:
        found: list[Partition] = []
        for collection_id, fields in _by_collection(self._row.sources).items():
            extractor = ReferenceExtractor(
                self._requester,
                self._row,
                fields,
                normalizer=self._session.normalizer(self._row),
                seen=self._seen,
            )
            owner = self._catalog.parent(collection_id)
            if holds_all(self._session, owner):
                condition = Condition(paths=tuple(fields))
                heads = sorted({field.partition(".")[0] for field in fields})
                found.append(
                    stored(self._session, owner, extractor, fields=heads, condition=condition)
                )
            else:
                found += await self._through(owner, extractor)
        return found

    async def _held(self) -> list[Partition]:
        found: list[Partition] = []
        for holder_id, sources in holders(self._catalog, self._row).items():
            holder = self._catalog.parent(holder_id)
            paths = [source.field for source in sources]
            held = EmbeddedExtractor(self._row, paths, self._session.normalizer(self._row))
            extractor = RecordingExtractor(held, self._seen, paths)
            told = not any(source.included for source in sources)
            if told and holds_all(self._session, holder):
                found += await self._through_stored(holder, sources, extractor)
                continue
            expand = [source.expand for source in sources if source.expand]
            params = sources[0].params
            found += await self._through(
                holder, extractor, expand=expand, stored_first=False, complete=True, params=params
            )
        return found

    async def _through_stored(
        self, holder: Collection, sources: Sequence[SourceField], extractor: RecordExtractor
    ) -> list[Partition]:
        """Walks to what stored objects hold or name, with as few requests as possible."""
        session, paths = self._session, tuple(source.field for source in sources)
        expand = [source.expand for source in sources if source.expand]
        condition = self._worth(holder, sources)
        if not expand:
            return [stored(session, holder, extractor, condition=condition)]
        params = sources[0].params
        count = session.warehouse.records.count
        holding = await asyncio.to_thread(count, session.sync.id, holder.id, condition)
        shown = holding if params else await asyncio.to_thread(count, session.sync.id, holder.id)
        found: list[Partition] = []
        if holding > shown / PAGE_SIZE:
            # Stripe's list shows a hundred at a time, though not all that nested lists hold.
            reader_of = self._reader_of(holder, extractor, expand)
            found += listed(holder, reader_of, since=None, params=params)
        if found and self._row.retrieval is Retrieval.EXPANDED:
            return found
        version = self._row.api_version
        refetched = RehydratingExtractor(
            self._requester, holder, expand, extractor, api_version=version
        )
        rest = UnseenReferencesOnly(paths, self._seen, refetched)
        heads = sorted({"id", *(path.partition(".")[0] for path in paths)})
        return [*found, stored(session, holder, rest, fields=heads, condition=condition)]

    def _worth(self, holder: Collection, sources: Sequence[SourceField]) -> Condition:
        """Which stored holders may hold or name something of this collection."""
        if self._row.retrieval is not Retrieval.EXPANDED:
            return Condition(paths=tuple(source.field for source in sources))
        return Condition(
            equal=sources[0].params,
            reference=sources[0].field,
            unlike=self._prefixes_of_others(),
            stored_in=self._held_likewise(holder),
        )

    def _prefixes_of_others(self) -> tuple[str, ...]:
        """What ids begin with that certainly belong to other collections."""
        rows = [*self._catalog.values(), *self._catalog.parent_only.values()]
        own = self._row.id_prefixes
        return tuple(
            sorted({p for row in rows if row is not self._row for p in row.id_prefixes} - set(own))
        )

    def _held_likewise(self, holder: Collection) -> tuple[str, ...]:
        """The other collections that the same field of a holder leads to."""
        return tuple(
            row.id
            for row in self._catalog.values()
            if row.retrieval is Retrieval.EXPANDED and row is not self._row
            if any(source.collection == holder.id for source in row.sources)
        )

    async def _previews(self) -> list[Partition]:
        call = self._row.preview
        if call is None:
            return []
        extractor = make_previews(self._session, self._requester, self._row)
        fields = ["id", *(rule.field.partition(".")[0] for rule in call.skip)]
        return await self._through(self._catalog.parent(call.parent), extractor, fields=fields)

    def _in_events(self) -> list[Partition]:
        events = self._catalog[STRIPE_EVENTS]
        extractor = EventPayloadExtractor(self._row, self._session.normalizer(self._row))
        reader_of = self._reader_of(events, extractor)
        return [
            walk
            for name in self._row.events.all
            for walk in listed(events, reader_of, since=self._since, params={"type": name})
        ]


def _fields(calls: Sequence[ListCall]) -> list[str]:
    """Top-level fields of the parent that its lists are found by."""
    named = {rule.field.partition(".")[0] for call in calls for rule in call.skip}
    named |= {call.embedded for call in calls if call.embedded}
    return ["id", *sorted(named)]


def _by_collection(sources: Sequence[SourceField]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source in sources:
        found.setdefault(source.collection, []).append(source.field)
    return found
