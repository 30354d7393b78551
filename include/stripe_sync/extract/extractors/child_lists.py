"""Objects that Stripe lists for each object of another collection.

Nothing is asked that is known already: the beginning of many lists stands in the parent, and some
parents say by a field of their own that they have no children (``skip`` in the catalogue).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stripe_sync.catalog import Collection, ListCall
from stripe_sync.errors import CursorVanished, InvalidRequest, NotFound, PermissionDenied
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.extract.pages import PAGE_SIZE
from stripe_sync.extract.source_objects import (
    RecordExtractor,
    Requester,
    SourceObject,
    StoredChildren,
)
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class ChildList:
    """The children of one object.

    Attributes:
        parent_id: The object.
        children: In Stripe's order, each once.
        whole_at: When there were certainly no others, so that what is stored beyond them is gone;
            None where that is not known.
    """

    parent_id: str
    children: list[SourceObject]
    whole_at: datetime | None


class ChildListExtractor:
    """The children of some objects.

    Args:
        requester: What to ask Stripe with.
        row: The collection of the children.
        calls: Its lists that have these objects as parents, or some of them; nothing is marked as
            deleted then.
        normalizer: Shapes the children.
        since: Unix seconds; children created earlier are left out.
        stored: Looks up what is stored below the parents; None marks nothing as deleted.
    """

    def __init__(
        self,
        requester: Requester,
        row: Collection,
        calls: Sequence[ListCall],
        *,
        normalizer: Normalizer,
        stored: StoredChildren | None = None,
        since: int | None = None,
    ) -> None:
        self._requester = requester
        self._row = row
        self._calls = calls
        self._normalizer = normalizer
        self._stored = stored if _tell_all(row, calls) else None
        self._since = since

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """The children of each object, and those that are gone."""
        child_lists = await self.child_lists(shown)
        asked = [family.parent_id for family in child_lists if family.whole_at]
        stored = await self._stored(self._row.id, asked) if self._stored and asked else {}
        return [self._normalize(family, stored.get(family.parent_id, ())) for family in child_lists]

    async def child_lists(self, shown: Sequence[SourceObject]) -> list[ChildList]:
        """The children of each object as Stripe shows them."""
        return list(await asyncio.gather(*(self._family(parent) for parent in shown)))

    def _normalize(self, family: ChildList, stored: Sequence[str]) -> list[Observation]:
        observations = []
        gone = set(stored)
        for child in family.children:
            created = self._normalizer.created(child.obj)
            gone.discard(self._normalizer.upstream_id(child.obj, family.parent_id))
            if self._since is None or created is None or created >= self._since:
                observations.append(
                    self._normalizer.normalize(
                        child.obj,
                        observed_at=child.observed_at,
                        api_version=child.api_version,
                        parent_id=family.parent_id,
                    )
                )
        if family.whole_at:
            at, parent = family.whole_at, family.parent_id
            observations += [
                self._normalizer.tombstone(name, observed_at=at, parent_id=parent)
                for name in sorted(gone)
            ]
        return observations

    async def _family(self, parent: SourceObject) -> ChildList:
        found: dict[str, SourceObject] = {}
        moments: list[datetime | None] = []
        for call in self._calls:
            asked_at = self._requester.clock.now()
            children = await self._listed(call, parent)
            held = _held(parent, call)
            moments.append(None if children is None else parent.observed_at if held else asked_at)
            for child in children or ():
                if child.obj.get("object") == self._row.object and not child.obj.get("deleted"):
                    found.setdefault(self._normalizer.upstream_id(child.obj, parent.id), child)
        known = [at for at in moments if at]
        whole_at = min(known) if len(known) == len(moments) else None
        return ChildList(parent.id, list(found.values()), whole_at)

    async def _listed(self, call: ListCall, parent: SourceObject) -> list[SourceObject] | None:
        """One list of one parent; None where it is not known to be empty or complete."""
        begun = _held(parent, call)
        children: list[SourceObject] = []
        if begun:
            at, version = parent.observed_at, parent.api_version
            children = [SourceObject(obj, at, version) for obj in begun["data"]]
            if not begun.get("has_more"):
                return children
        elif any(rule.applies(parent.obj) for rule in call.skip):
            return None
        # A list that is narrowed may not know the last one of the list that is not.
        fixed = set(call.params) - set(call.placeholders)
        after = children[-1].obj["id"] if children and not fixed else None
        try:
            rest = [
                child
                for variant in call.variants or ({},)
                for child in await self._pages(call, parent.id, after, variant)
            ]
        except NotFound:
            return None
        except (InvalidRequest, PermissionDenied) as error:
            if not any(text in str(error).lower() for text in call.says_none):
                raise
            return None
        return [*children, *rest] if after else rest

    async def _pages(
        self, call: ListCall, parent_id: str, after: str | None, variant: dict[str, str]
    ) -> list[SourceObject]:
        in_path = "{" + call.placeholders[0] + "}" in call.path
        values = {call.placeholders[0]: parent_id} if in_path else None
        fixed = {
            name: value.replace("{" + call.placeholders[0] + "}", parent_id)
            for name, value in call.params.items()
        }
        found: list[SourceObject] = []
        while True:
            params: dict[str, Any] = {**fixed, **variant}
            if call.paged:
                params["limit"] = PAGE_SIZE
            if after:
                params["starting_after"] = after
            observed_at = self._requester.clock.now()
            version = self._row.api_version
            try:
                page = await self._requester.get(call.path, values, params, version)
            except CursorVanished:
                # It was deleted meanwhile: what it stood for is read from the beginning.
                found, after = [], None
                continue
            found += [SourceObject(obj, observed_at) for obj in page["data"]]
            if not page["has_more"] or not page["data"]:
                return found
            after = page["data"][-1]["id"]


class GrandchildExtractor:
    """Hands the children of objects on to another harvest, where they are parents themselves.

    Args:
        children: Finds the children.
        extractor: What is made of them.
    """

    def __init__(self, children: ChildListExtractor, extractor: RecordExtractor) -> None:
        self._children = children
        self._extractor = extractor

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What the harvest makes of the children of each object."""
        child_lists = await self._children.child_lists(shown)
        found = await self._extractor([child for f in child_lists for child in f.children])
        parts = iter(found)
        return [[o for _ in family.children for o in next(parts)] for family in child_lists]


def _tell_all(row: Collection, calls: Sequence[ListCall]) -> bool:
    """Whether what these lists do not show below a parent is gone."""
    parents, paths = {call.parent for call in calls}, {call.path for call in calls}
    others = any(call.parent in parents and call.path not in paths for call in row.lists)
    return not others and all(call.owned for call in calls)


def _held(parent: SourceObject, call: ListCall) -> JsonObject | None:
    """The beginning of a list, where the parent holds it."""
    value = parent.obj.get(call.embedded) if call.embedded else None
    return value if isinstance(value, dict) else None
