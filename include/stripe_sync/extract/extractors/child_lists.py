"""Objects that Stripe lists for each object of a parent collection.

No request is sent where the answer is known: the beginning of many lists is embedded in the parent,
and some parents have a field that shows that they have no children (``skip`` in the catalogue).
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.catalog import ListCall
from stripe_sync.errors import InvalidRequest, NotFound, PermissionDenied
from stripe_sync.extract.extractors.source_objects import (
    CollectionExtractor,
    RecordExtractor,
    SourceObject,
)
from stripe_sync.extract.lists.page_size import PAGE_SIZE
from stripe_sync.extract.pagination import ListRequest, id_of, paginate
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
        child_lists = await self.child_lists(sources)
        complete = [each.parent_id for each in child_lists if each.complete_at]
        stored: Mapping[str, Sequence[str]] = {}
        if complete and self.tombstones and self._return_all_children():
            stored = await self.context.stored.children(self.collection.id, complete)
        return [self._normalize(each, stored.get(each.parent_id, ())) for each in child_lists]

    async def child_lists(self, parents: Sequence[SourceObject]) -> list[ChildList]:
        """The children of each object, as Stripe sent them."""
        return list(await asyncio.gather(*(self._child_list(parent) for parent in parents)))

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

    async def _child_list(self, parent: SourceObject) -> ChildList:
        found: dict[str, SourceObject] = {}
        times: list[datetime | None] = []
        for call in self.calls:
            asked_at = self.context.requester.clock.now()
            children = await self._read(call, parent)
            embedded = _embedded_list(parent, call)
            times.append(None if children is None else parent.observed_at if embedded else asked_at)
            for child in children or ():
                if key := self.key_of(child.obj, parent):
                    found.setdefault(key, child)
        known = [at for at in times if at]
        complete_at = min(known) if len(known) == len(times) else None
        return ChildList(parent.id, list(found.values()), complete_at)

    async def _read(self, call: ListCall, parent: SourceObject) -> list[SourceObject] | None:
        """One list of one parent; None where it may have children that are not returned."""
        embedded = _embedded_list(parent, call)
        children: list[SourceObject] = []
        if embedded:
            at, version = parent.observed_at, parent.api_version
            children = [SourceObject(obj, at, version) for obj in embedded["data"]]
            if not embedded.get("has_more"):
                return children
        elif any(predicate.matches(parent.obj) for predicate in call.skip):
            return None
        # The last embedded child may be missing from a list that is filtered.
        if set(call.params) - set(call.placeholders):
            children = []
        try:
            return [
                child
                for variant in call.variants or ({},)
                for child in await self._read_rest(call, parent.id, children, variant)
            ]
        except NotFound:
            return None
        except (InvalidRequest, PermissionDenied) as error:
            if not any(text in str(error).lower() for text in call.no_children_errors):
                raise
            return None

    async def _read_rest(
        self,
        call: ListCall,
        parent_id: str,
        children: Sequence[SourceObject],
        variant: dict[str, str],
    ) -> list[SourceObject]:
        """The whole list, of which the first children are known."""
        name = call.placeholders[0]
        filters = {k: v.replace(f"{{{name}}}", parent_id) for k, v in call.params.items()}
        request = ListRequest(
            call.path,
            {name: parent_id} if f"{{{name}}}" in call.path else None,
            {**filters, **variant},
            api_version=self.collection.api_version,
            page_size=PAGE_SIZE if call.paged else None,
        )
        found = list(children)
        after = id_of(children[-1].obj) if children else None
        async for page in paginate(self.context.requester, request, after=after):
            if page.restarted:
                found = []
            found += [SourceObject(obj, page.observed_at) for obj in page.objects]
        return found


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
