"""What else changes when an object changes: its children, what it names, what is computed of it.

Most children have no Stripe events of their own. Whenever their parent is fetched anyway, or a
Stripe event says that their list is another one (``refreshed_by`` in the catalogue), the list is
compared as a whole with what is stored: new ones, changed ones, and those that are gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.catalog import Collection, ListCall, SourceField
from stripe_sync.client import Priority
from stripe_sync.errors import EndpointRetired, PermissionDenied, StripeError
from stripe_sync.extract.extractors.child_lists import ChildListExtractor
from stripe_sync.extract.extractors.embedded import (
    EmbeddedExtractor,
    ReferenceExtractor,
    RehydratingExtractor,
)
from stripe_sync.extract.relation_index import RelationIndex, make_previews
from stripe_sync.extract.source_objects import (
    RecordExtractor,
    Requester,
    SourceObject,
    ids_at,
    values_at,
)
from stripe_sync.records import Observation, canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.session import Session

log = logging.getLogger(__name__)

CLOSED = ("forbidden", "retired")
"""Statuses of collections that cannot be read."""


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """An object that Stripe events led to.

    Attributes:
        row: Its collection.
        obj: Its state, which is not changed here.
        observed_at: When it was fetched.
        events: The Stripe events.
    """

    row: Collection
    obj: JsonObject
    observed_at: datetime
    events: list[JsonObject]


@dataclass(slots=True)
class SubstreamResult:
    """What came of looking for relatives.

    Attributes:
        observations: What changed, without Stripe events: those belong to what they carry.
        failed: Stripe events whose relatives could not be read; try them again.
        forbidden: Catalogue ids of relatives that the key may not read, with the reason.
        whole: Whether all of them could be read that may be.
    """

    observations: list[Observation] = field(default_factory=list)
    failed: list[JsonObject] = field(default_factory=list)
    forbidden: dict[str, PermissionDenied] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Job:
    row: Collection
    extractor: RecordExtractor
    shown: list[SourceObject]
    events: list[JsonObject]


class Substreams:
    """Finds what else changed.

    Args:
        session: The open sync.
        slots: Bounds the requests under way at a time.
    """

    def __init__(self, session: Session, slots: asyncio.Semaphore) -> None:
        self._session = session
        self._requester = Requester(session.api, session.clock, Priority.LIVE, slots)
        self._kin = RelationIndex(session.catalog)
        self._closed: set[str] | None = None

    async def find(
        self, events: Sequence[JsonObject], fetched: Sequence[FetchedObject]
    ) -> SubstreamResult:
        """Read what else changed.

        Args:
            events: Stripe events, oldest first.
            fetched: The objects that they led to, as far as they still exist.
        """
        jobs = [*self._embedded(fetched), *self._told(events)]
        jobs += await self._named(fetched)
        jobs += await self._held(fetched)
        found = SubstreamResult()
        # What comes to light may name more: an attempt the mandate that it brought about.
        naming = await self._settle(jobs, found)
        await self._settle(await self._named(naming), found)
        return found

    async def _settle(self, jobs: Sequence[_Job], found: SubstreamResult) -> list[FetchedObject]:
        """Do what is to be done; gives back what it brought to light and may name more."""
        closed = await self._closed_collections()
        open_jobs = [job for job in jobs if job.row.id not in closed]
        outcomes = await asyncio.gather(*(self._run(job) for job in open_jobs))
        naming: list[FetchedObject] = []
        for job, outcome in zip(open_jobs, outcomes, strict=True):
            if isinstance(outcome, PermissionDenied):
                found.forbidden[job.row.id] = outcome
                closed.add(job.row.id)
            elif isinstance(outcome, EndpointRetired):
                log.info("%s: %s", job.row.id, outcome)
                closed.add(job.row.id)
            elif isinstance(outcome, StripeError):
                log.warning("%s: %s", job.row.id, outcome)
                found.failed += job.events
                found.whole = False
            else:
                found.observations += outcome
                naming += self._may_name(job, outcome)
        return naming

    def _may_name(self, job: _Job, observations: Iterable[Observation]) -> Iterable[FetchedObject]:
        if job.row.id in self._kin.named:
            for each in observations:
                if not each.deleted and each.collection_id == job.row.id:
                    obj = canonical_json.loads(each.payload_json)
                    yield FetchedObject(job.row, obj, each.observed_at, job.events)

    async def _closed_collections(self) -> set[str]:
        """Collections that cannot be read, so that it is not tried for each change."""
        if self._closed is None:
            warehouse, name = self._session.warehouse, self._session.sync.name
            states = await asyncio.to_thread(warehouse.collections.statuses, name)
            self._closed = {s.collection_id for s in states if s.status in CLOSED}
        return self._closed

    async def _run(self, job: _Job) -> list[Observation] | StripeError:
        try:
            return [o for own in await job.extractor(job.shown) for o in own]
        except StripeError as error:
            return error

    def _embedded(self, fetched: Sequence[FetchedObject]) -> Iterable[_Job]:
        """Lists that stand in the fetched objects cost nothing more."""
        for holder_id, alike in _by_row(fetched).items():
            for row, call in self._kin.embedded.get(holder_id, ()):
                yield _Job(row, self._children(row, [call]), _shown(alike, call), _events_of(alike))

    def _told(self, events: Sequence[JsonObject]) -> Iterable[_Job]:
        """Lists and previews that Stripe events speak of."""
        for row, calls, triggers in self._kin.refreshed:
            parents: dict[str, list[JsonObject]] = {}
            seen: dict[str, JsonObject] = {}
            for event in events:
                for trigger in triggers:
                    parent_id = trigger.parent_of(event)
                    if parent_id:
                        parents.setdefault(parent_id, []).append(event)
                        if trigger.parent == "id":
                            seen[parent_id] = event["data"]["object"]
            for parent_id, told in parents.items():
                extractor, obj = self._refresh(row, calls, parent_id, seen.get(parent_id))
                shown = [SourceObject(obj, self._session.clock.now())]
                yield _Job(row, extractor, shown, told)

    def _refresh(
        self,
        row: Collection,
        calls: Sequence[ListCall],
        parent_id: str,
        seen: JsonObject | None,
    ) -> tuple[RecordExtractor, JsonObject]:
        if not calls:
            return make_previews(self._session, self._requester, row), seen or {"id": parent_id}
        if seen is None:
            # Nothing is known of the parent that could tell whether it has children.
            calls = [call.model_copy(update={"skip": ()}) for call in calls]
        # The beginning of a list in the event is that of another moment, and may be cut.
        begun = {call.embedded for call in calls}
        obj = {k: v for k, v in (seen or {"id": parent_id}).items() if k not in begun}
        return self._children(row, calls), obj

    async def _named(self, fetched: Sequence[FetchedObject]) -> list[_Job]:
        """Objects that the fetched ones name, if they are not stored yet."""
        jobs = []
        for holder_id, alike in _by_row(fetched).items():
            for row_id, paths in self._kin.named.get(holder_id, {}).items():
                row = self._session.catalog[row_id]
                found = [n for each in alike for path in paths for n in ids_at(each.obj, path)]
                names = [name for name in found if name.startswith(row.id_prefixes or "")]
                if names:
                    extractor = ReferenceExtractor(
                        self._requester,
                        row,
                        paths,
                        normalizer=self._session.normalizer(row),
                        seen=await self._known(row, names),
                    )
                    jobs.append(_Job(row, extractor, _shown(alike), _events_of(alike)))
        return jobs

    async def _held(self, fetched: Sequence[FetchedObject]) -> list[_Job]:
        """Objects that the fetched ones hold."""
        jobs = []
        for holder_id, alike in _by_row(fetched).items():
            for row_id, sources in self._kin.held.get(holder_id, {}).items():
                row = self._session.catalog[row_id]
                paths = [source.field for source in sources]
                held: RecordExtractor = EmbeddedExtractor(row, paths, self._session.normalizer(row))
                expand = [source.expand for source in sources if source.expand]
                worth = alike
                if expand:
                    # What shows as an id only is worth a request when it is new, and what does not
                    # show at all when there is some.
                    parent_only = [each for each in alike if _holds_unseen(each, sources)]
                    worth = [*parent_only, *await self._naming_new(row, paths, alike)]
                    held = RehydratingExtractor(
                        self._requester, self._session.catalog[holder_id], expand, held
                    )
                if worth:
                    jobs.append(_Job(row, held, _shown(worth), _events_of(worth)))
        return jobs

    async def _naming_new(
        self, row: Collection, paths: Sequence[str], fetched: Sequence[FetchedObject]
    ) -> list[FetchedObject]:
        """Those objects that name something that is not stored."""
        named = [[name for path in paths for name in ids_at(e.obj, path)] for e in fetched]
        names = [name for found in named for name in found]
        known = await self._known(row, names) if names else set()
        return [
            each for each, found in zip(fetched, named, strict=True) if not known.issuperset(found)
        ]

    async def _known(self, row: Collection, names: Sequence[str]) -> set[str]:
        warehouse, sync_id = self._session.warehouse, self._session.sync.id
        return await asyncio.to_thread(warehouse.records.existing, sync_id, row.id, names)

    def _children(self, row: Collection, calls: Sequence[ListCall]) -> ChildListExtractor:
        return ChildListExtractor(
            self._requester,
            row,
            calls,
            normalizer=self._session.normalizer(row),
            stored=self._session.stored_children,
        )


def _holds_unseen(fetched: FetchedObject, sources: Sequence[SourceField]) -> bool:
    """Whether an object says that it holds something in a field that is left out."""
    return any(
        source.given and any(values_at(fetched.obj, source.given.split("."))) for source in sources
    )


def _by_row(fetched: Sequence[FetchedObject]) -> dict[str, list[FetchedObject]]:
    found: dict[str, list[FetchedObject]] = {}
    for each in fetched:
        found.setdefault(each.row.id, []).append(each)
    return found


def _events_of(fetched: Sequence[FetchedObject]) -> list[JsonObject]:
    return [event for each in fetched for event in each.events]


def _shown(fetched: Sequence[FetchedObject], call: ListCall | None = None) -> list[SourceObject]:
    """Copies of the objects, as harvesting changes them; only what matters to a list, if given."""
    copies = []
    for each in fetched:
        needed = {"id", call.embedded} if call else each.obj.keys()
        obj = {name: value for name, value in each.obj.items() if name in needed}
        copies.append(
            SourceObject(canonical_json.loads(canonical_json.dumps(obj)), each.observed_at)
        )
    return copies
