"""Objects that Stripe lists for each object of a parent collection.

No request is sent where the answer is known: the beginning of many lists is embedded in the parent,
some parents have a field that shows that they have no children (``skip`` in the catalogue), and
some lists never change, so that they are read once (``read_once``).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.catalog import ListCall
from stripe_sync.extract.extractors.source_objects import (
    CollectionExtractor,
    RecordExtractor,
    SourceObject,
)
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.pagination import ListRequest, id_of, paginate
from stripe_sync.extract.refusals import read_each
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class ChildList:
    """The children of one object.

    Attributes:
        parent_id: Id of the object.
        children: In Stripe's order, each once.
        complete_at: When these were certainly all children, so that other stored ones are deleted;
            None where that is not known.
    """

    parent_id: str
    children: list[SourceObject]
    complete_at: datetime | None


@dataclass(slots=True)
class _Part:
    """One list of one object.

    Attributes:
        parent: The object.
        call: The list.
        variant: Parameters of this request, where the list takes several.
        children: Those that are known.
        is_read: Whether no request is needed.
        complete_at: When these were certainly all; None where more may exist.
    """

    parent: SourceObject
    call: ListCall
    variant: dict[str, str]
    children: list[SourceObject]
    is_read: bool = False
    complete_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChildListExtractor(CollectionExtractor):
    """The children of each object.

    Attributes:
        calls: Its lists that have these objects as parents, all or some of them.
        tombstones: Whether children that are stored but not listed become tombstones, where
            ``calls`` return all children.
        since: Unix seconds; children created earlier are left out. None for all.
    """

    calls: Sequence[ListCall]
    tombstones: bool = True
    since: int | None = None

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """The children of each object, and tombstones of those that are deleted."""
        known = await self._read_before(sources)
        child_lists = await self.child_lists([each for each in sources if each.id not in known])
        complete = [each.parent_id for each in child_lists if each.complete_at]
        stored: Mapping[str, Sequence[str]] = {}
        if complete and self.tombstones and self._return_all_children():
            stored = await self.context.stored.children(self.collection.id, complete)
        found = (self._normalize(each, stored.get(each.parent_id, ())) for each in child_lists)
        return [[] if each.id in known else next(found) for each in sources]

    def is_long(self, parent: SourceObject) -> bool:
        """Whether the children of an object may take many requests, however few others take."""
        return any(part.call.read_once and not part.is_read for part in self._parts(parent))

    async def child_lists(self, parents: Sequence[SourceObject]) -> list[ChildList]:
        """The children of each object, as Stripe sent them; refused lists are left out."""
        by_parent = [[*self._parts(parent)] for parent in parents]
        unread = [part for parts in by_parent for part in parts if not part.is_read]
        requester = self.context.requester
        refusals = requester.refusals
        answers = await read_each(
            self._read, unread, refusals=refusals, check=requester.check_answers
        )
        for part, error in zip(unread, answers, strict=True):
            if error is None:
                refusals.answered(part.call.path)
            elif not part.call.means_no_children(str(error)):
                refusals.add_object(part.call.path, error, part.parent.id)
        return [self._joined(each, own) for each, own in zip(parents, by_parent, strict=True)]

    async def _read_before(self, sources: Sequence[SourceObject]) -> set[str]:
        """Ids of the objects whose children never change and are stored.

        All children of an object are stored in one transaction, so that one shows that all are.
        """
        if not all(call.read_once for call in self.calls):
            return set()
        return await self.context.stored.parents(self.collection.id, [each.id for each in sources])

    def _normalize(self, child_list: ChildList, stored: Sequence[str]) -> list[Observation]:
        observations: list[Observation] = []
        parent_id = child_list.parent_id
        missing = set(stored)
        for child in child_list.children:
            created = self.collection.created(child.obj)
            missing.discard(self.normalizer.upstream_id(child.obj, parent_id))
            if self.since is None or created is None or created >= self.since:
                observations += self.context.observe(
                    self.collection,
                    child.obj,
                    observed_at=child.observed_at,
                    api_version=child.api_version,
                    parent_id=parent_id,
                )
        if child_list.complete_at:
            observations += [
                self.normalizer.tombstone(
                    name, observed_at=child_list.complete_at, parent_id=parent_id
                )
                for name in sorted(missing)
            ]
        return observations

    def _return_all_children(self) -> bool:
        """Whether a child of these parents that the lists do not return is deleted."""
        parents, paths = {c.parent for c in self.calls}, {c.path for c in self.calls}
        others = any(c.parent in parents and c.path not in paths for c in self.collection.lists)
        return not others and all(call.missing_means_deleted for call in self.calls)

    def _joined(self, parent: SourceObject, parts: Sequence[_Part]) -> ChildList:
        """The children in all lists of one object; complete only if all of these are."""
        found: dict[str, SourceObject] = {}
        for part in parts:
            for child in part.children:
                if key := self.key_of(child.obj, parent):
                    found.setdefault(key, child)
        known = [part.complete_at for part in parts if part.complete_at]
        complete_at = min(known) if len(known) == len(parts) else None
        return ChildList(parent.id, list(found.values()), complete_at)

    def _parts(self, parent: SourceObject) -> Iterator[_Part]:
        """The lists of one object, with what is known of them without a request."""
        for call in self.calls:
            embedded = _embedded_list(parent, call)
            children: list[SourceObject] = []
            if embedded:
                at, version = parent.observed_at, parent.api_version
                children = [SourceObject(obj, at, version) for obj in embedded["data"]]
                if not embedded.get("has_more"):
                    yield _Part(parent, call, {}, children, is_read=True, complete_at=at)
                    continue
            elif any(predicate.matches(parent.obj) for predicate in call.skip):
                yield _Part(parent, call, {}, [], is_read=True)
                continue
            # The last embedded child may be missing from a list that is filtered.
            if set(call.params) - set(call.placeholders):
                children = []
            for variant in call.variants or ({},):
                yield _Part(parent, call, variant, list(children))

    async def _read(self, part: _Part) -> None:
        """The whole list, of which the first children are known."""
        call, parent = part.call, part.parent
        name = call.placeholders[0]
        filters = {k: v.replace(f"{{{name}}}", parent.id) for k, v in call.params.items()}
        request = ListRequest(
            call.path,
            {name: parent.id} if f"{{{name}}}" in call.path else None,
            {**filters, **part.variant},
            api_version=self.collection.api_version,
            page_size=PAGE_SIZE if call.paged else None,
        )
        asked_at = self.context.requester.clock.now()
        after = id_of(part.children[-1].obj) if part.children else None
        async for page in paginate(self.context.requester, request, after=after):
            if page.restarted:
                part.children = []
            part.children += [SourceObject(obj, page.observed_at) for obj in page.objects]
        part.complete_at = parent.observed_at if _embedded_list(parent, call) else asked_at


@dataclass(frozen=True, slots=True)
class GrandchildExtractor:
    """Applies another extractor to the children of each object.

    Attributes:
        children: Reads the children.
        extractor: The other extractor.
    """

    children: ChildListExtractor
    extractor: RecordExtractor

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """What is extracted from the children of each object."""
        child_lists = await self.children.child_lists(sources)
        found = iter(
            await self.extractor([child for each in child_lists for child in each.children])
        )
        return [[o for _ in each.children for o in next(found)] for each in child_lists]


@dataclass(frozen=True, slots=True)
class LikelyParentExtractor:
    """Applies another extractor to some parents; the others are taken to have no children.

    Attributes:
        extractor: The other extractor; it takes a request for each parent.
        likely: Ids of the parents that may have children.
    """

    extractor: RecordExtractor
    likely: Container[str]

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """What is extracted from each of these parents; nothing from the others."""
        chosen = [source for source in sources if source.id in self.likely]
        found = dict(zip((each.id for each in chosen), await self.extractor(chosen), strict=True))
        return [found.get(source.id, []) for source in sources]


def _embedded_list(parent: SourceObject, call: ListCall) -> JsonObject | None:
    """The beginning of a list, where the parent embeds it."""
    value = parent.obj.get(call.embedded) if call.embedded else None
    return value if isinstance(value, dict) else None
