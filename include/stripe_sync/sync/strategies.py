"""Which walks obtain a collection, by what the catalogue says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby

from stripe_sync.catalog import Collection, ListCall, Obtained, SourceField
from stripe_sync.extract.children import Children, Descendants
from stripe_sync.extract.held import Held, InEvents, NamingNew, Noted, Referred, Refetched
from stripe_sync.extract.pages import PAGE_SIZE, PageReader
from stripe_sync.extract.parents import ParentReader
from stripe_sync.extract.shown import Desk, Harvest
from stripe_sync.extract.windows import Reader
from stripe_sync.sync.kin import holders, make_previews
from stripe_sync.sync.session import STRIPE_EVENTS, Session
from stripe_sync.sync.walks import ReaderOf, Walk, holds_all, listed, of_test_clocks, stored
from stripe_sync.warehouse import Condition


class Strategies:
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
        self._desk = Desk(session.api, session.clock)
        self._seen: set[str] = set()

    async def walks(self) -> list[Walk]:
        """The walks, in order."""
        row = self._row
        if self._outdated():
            return await self._children(row.fallback_lists)
        if row.obtained is Obtained.PREVIEW:
            return await self._previews()
        if row.obtained is Obtained.EVENT_ONLY:
            return self._in_events()
        found = await self._lists()
        found += await self._children(row.lists)
        if row.obtained in {Obtained.EMBEDDED, Obtained.EXPANDED}:
            found += await self._held()
        elif row.sources:
            found += await self._referred()
        return found

    async def fallbacks(self) -> list[Walk]:
        """The walks that stand in where Stripe refuses the first of the others."""
        if self._outdated():
            return []
        return await self._children(self._row.fallback_lists)

    def _outdated(self) -> bool:
        """Whether the lists leave out too much in the version that they are asked in."""
        version = self._row.api_version or self._session.settings.api_version
        return any(version < (call.complete_since or "") for call in self._row.lists)

    async def _lists(self) -> list[Walk]:
        def reader_of(call: ListCall, params: Mapping[str, str]) -> Reader:
            return PageReader(
                self._session.api,
                self._row,
                call,
                shaper=self._session.shaper(self._row),
                clock=self._session.clock,
                variant=params,
            )

        return [
            *listed(self._row, reader_of, since=self._since),
            *await of_test_clocks(self._session, self._row, reader_of),
        ]

    async def _children(self, calls: Sequence[ListCall]) -> list[Walk]:
        below = [call for call in calls if call.parent]
        found: list[Walk] = []
        for parent_id, together in groupby(below, lambda call: str(call.parent)):
            group = list(together)
            harvest: Harvest = self._children_of(self._row, group, self._since)
            if self._row.sources:
                # What was listed need not be retrieved once more where it is named.
                harvest = Noted(harvest, self._seen)
            expand = [str(call.embedded) for call in group if call.expand]
            # What is only shown when it is expanded is not in the stored object.
            found += await self._through(
                self._catalog.parent(parent_id),
                harvest,
                expand=expand,
                fields=() if expand else _fields(group),
                stored_first=not expand,
            )
        return found

    def _children_of(
        self, row: Collection, calls: Sequence[ListCall], since: int | None = None
    ) -> Children:
        return Children(
            self._desk,
            row,
            calls,
            shaper=self._session.shaper(row),
            stored=self._session.stored_children,
            since=since,
        )

    async def _through(
        self,
        row: Collection,
        harvest: Harvest,
        *,
        expand: Sequence[str] = (),
        fields: Sequence[str] = (),
        stored_first: bool = True,
        complete: bool = False,
        params: Mapping[str, str] | None = None,
    ) -> list[Walk]:
        """Walks through all objects of a collection, as they are stored or as Stripe has them."""
        if stored_first and holds_all(self._session, row):
            return [stored(self._session, row, harvest, fields=fields)]
        if row.obtained is not Obtained.TOP_LEVEL_LIST:
            return await self._through_parents(row, harvest)

        reader_of = self._reader_of(row, harvest, expand, complete=complete)
        return [
            *listed(row, reader_of, since=None, params=params),
            *await of_test_clocks(self._session, row, reader_of),
        ]

    def _reader_of(
        self,
        row: Collection,
        harvest: Harvest,
        expand: Sequence[str] = (),
        *,
        complete: bool = False,
    ) -> ReaderOf:
        # What is only shown in an old version is only found in it, too.
        version = self._row.api_version if expand else None

        def reader_of(call: ListCall, params: Mapping[str, str]) -> Reader:
            return ParentReader(
                self._desk,
                row,
                call,
                harvest,
                expand=expand,
                params=params,
                complete=complete,
                api_version=version,
            )

        return reader_of

    async def _through_parents(self, row: Collection, harvest: Harvest) -> list[Walk]:
        """Walks through a collection that is itself listed below another one."""
        found: list[Walk] = []
        for call in row.lists:
            if call.parent:
                inner = Descendants(self._children_of(row, [call]), harvest)
                expand = [str(call.embedded)] if call.expand else []
                parent = self._catalog.parent(call.parent)
                found += await self._through(parent, inner, expand=expand, stored_first=not expand)
        return found

    async def _referred(self) -> list[Walk]:
        found: list[Walk] = []
        for collection_id, fields in _by_collection(self._row.sources).items():
            harvest = Referred(
                self._desk,
                self._row,
                fields,
                shaper=self._session.shaper(self._row),
                seen=self._seen,
            )
            owner = self._catalog.parent(collection_id)
            if holds_all(self._session, owner):
                condition = Condition(paths=tuple(fields))
                heads = sorted({field.partition(".")[0] for field in fields})
                found.append(
                    stored(self._session, owner, harvest, fields=heads, condition=condition)
                )
            else:
                found += await self._through(owner, harvest)
        return found

    async def _held(self) -> list[Walk]:
        found: list[Walk] = []
        for holder_id, sources in holders(self._catalog, self._row).items():
            holder = self._catalog.parent(holder_id)
            paths = [source.field for source in sources]
            held = Held(self._row, paths, self._session.shaper(self._row))
            harvest = Noted(held, self._seen, paths)
            told = not any(source.included for source in sources)
            if told and holds_all(self._session, holder):
                found += await self._through_stored(holder, sources, harvest)
                continue
            expand = [source.expand for source in sources if source.expand]
            params = sources[0].params
            found += await self._through(
                holder, harvest, expand=expand, stored_first=False, complete=True, params=params
            )
        return found

    async def _through_stored(
        self, holder: Collection, sources: Sequence[SourceField], harvest: Harvest
    ) -> list[Walk]:
        """Walks to what stored objects hold or name, with as few requests as possible."""
        session, paths = self._session, tuple(source.field for source in sources)
        expand = [source.expand for source in sources if source.expand]
        condition = self._worth(holder, sources)
        if not expand:
            return [stored(session, holder, harvest, condition=condition)]
        params = sources[0].params
        count = session.warehouse.count_stored
        holding = await asyncio.to_thread(count, session.sync.id, holder.id, condition)
        shown = holding if params else await asyncio.to_thread(count, session.sync.id, holder.id)
        found: list[Walk] = []
        if holding > shown / PAGE_SIZE:
            # Stripe's list shows a hundred at a time, though not all that nested lists hold.
            reader_of = self._reader_of(holder, harvest, expand)
            found += listed(holder, reader_of, since=None, params=params)
        if found and self._row.obtained is Obtained.EXPANDED:
            return found
        version = self._row.api_version
        refetched = Refetched(self._desk, holder, expand, harvest, api_version=version)
        rest = NamingNew(paths, self._seen, refetched)
        heads = sorted({"id", *(path.partition(".")[0] for path in paths)})
        return [*found, stored(session, holder, rest, fields=heads, condition=condition)]

    def _worth(self, holder: Collection, sources: Sequence[SourceField]) -> Condition:
        """Which stored holders may hold or name something of this collection."""
        if self._row.obtained is not Obtained.EXPANDED:
            return Condition(paths=tuple(source.field for source in sources))
        return Condition(
            equal=sources[0].params,
            reference=sources[0].field,
            unlike=self._prefixes_of_others(),
            stored_in=self._held_likewise(holder),
        )

    def _prefixes_of_others(self) -> tuple[str, ...]:
        """What ids begin with that certainly belong to other collections."""
        rows = [*self._catalog.values(), *self._catalog.hidden.values()]
        own = self._row.id_prefixes
        return tuple(
            sorted({p for row in rows if row is not self._row for p in row.id_prefixes} - set(own))
        )

    def _held_likewise(self, holder: Collection) -> tuple[str, ...]:
        """The other collections that the same field of a holder leads to."""
        return tuple(
            row.id
            for row in self._catalog.values()
            if row.obtained is Obtained.EXPANDED and row is not self._row
            if any(source.collection == holder.id for source in row.sources)
        )

    async def _previews(self) -> list[Walk]:
        call = self._row.preview
        if call is None:
            return []
        harvest = make_previews(self._session, self._desk, self._row)
        fields = ["id", *(rule.field.partition(".")[0] for rule in call.skip)]
        return await self._through(self._catalog.parent(call.parent), harvest, fields=fields)

    def _in_events(self) -> list[Walk]:
        events = self._catalog[STRIPE_EVENTS]
        harvest = InEvents(self._row, self._session.shaper(self._row))
        reader_of = self._reader_of(events, harvest)
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
