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
from stripe_sync.extract.pages import PAGE_SIZE
from stripe_sync.extract.shape import Shaper
from stripe_sync.extract.shown import Desk, Harvest, Shown, StoredChildren
from stripe_sync.jsonio import JsonObject
from stripe_sync.warehouse.model import Observation


@dataclass(frozen=True, slots=True)
class Family:
    """The children of one object.

    Attributes:
        parent_id: The object.
        children: In Stripe's order, each once.
        whole_at: When there were certainly no others, so that what is stored beyond them is gone;
            None where that is not known.
    """

    parent_id: str
    children: list[Shown]
    whole_at: datetime | None


class Children:
    """The children of some objects.

    Args:
        desk: What to ask Stripe with.
        row: The collection of the children.
        calls: Its lists that have these objects as parents, or some of them; nothing is marked as
            deleted then.
        shaper: Shapes the children.
        since: Unix seconds; children created earlier are left out.
        stored: Looks up what is stored below the parents; None marks nothing as deleted.
    """

    def __init__(
        self,
        desk: Desk,
        row: Collection,
        calls: Sequence[ListCall],
        *,
        shaper: Shaper,
        stored: StoredChildren | None = None,
        since: int | None = None,
    ) -> None:
        self._desk = desk
        self._row = row
        self._calls = calls
        self._shaper = shaper
        self._stored = stored if _tell_all(row, calls) else None
        self._since = since

    async def __call__(self, shown: Sequence[Shown]) -> list[list[Observation]]:
        """The children of each object, and those that are gone."""
        families = await self.families(shown)
        asked = [family.parent_id for family in families if family.whole_at]
        stored = await self._stored(self._row.id, asked) if self._stored and asked else {}
        return [self._observe(family, stored.get(family.parent_id, ())) for family in families]

    async def families(self, shown: Sequence[Shown]) -> list[Family]:
        """The children of each object as Stripe shows them."""
        return list(await asyncio.gather(*(self._family(parent) for parent in shown)))

    def _observe(self, family: Family, stored: Sequence[str]) -> list[Observation]:
        observations = []
        gone = set(stored)
        for child in family.children:
            created = self._shaper.created(child.obj)
            gone.discard(self._shaper.upstream_id(child.obj, family.parent_id))
            if self._since is None or created is None or created >= self._since:
                observations.append(
                    self._shaper.observe(
                        child.obj,
                        observed_at=child.observed_at,
                        api_version=child.api_version,
                        parent_id=family.parent_id,
                    )
                )
        if family.whole_at:
            at, parent = family.whole_at, family.parent_id
            observations += [
                self._shaper.observe_gone(name, observed_at=at, parent_id=parent)
                for name in sorted(gone)
            ]
        return observations

    async def _family(self, parent: Shown) -> Family:
        found: dict[str, Shown] = {}
        moments: list[datetime | None] = []
        for call in self._calls:
            asked_at = self._desk.clock.now()
            children = await self._listed(call, parent)
            held = _held(parent, call)
            moments.append(None if children is None else parent.observed_at if held else asked_at)
            for child in children or ():
                if child.obj.get("object") == self._row.object and not child.obj.get("deleted"):
                    found.setdefault(self._shaper.upstream_id(child.obj, parent.id), child)
        known = [at for at in moments if at]
        whole_at = min(known) if len(known) == len(moments) else None
        return Family(parent.id, list(found.values()), whole_at)

    async def _listed(self, call: ListCall, parent: Shown) -> list[Shown] | None:
        """One list of one parent; None where it is not known to be empty or complete."""
        begun = _held(parent, call)
        children: list[Shown] = []
        if begun:
            at, version = parent.observed_at, parent.api_version
            children = [Shown(obj, at, version) for obj in begun["data"]]
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
    ) -> list[Shown]:
        in_path = "{" + call.placeholders[0] + "}" in call.path
        values = {call.placeholders[0]: parent_id} if in_path else None
        fixed = {
            name: value.replace("{" + call.placeholders[0] + "}", parent_id)
            for name, value in call.params.items()
        }
        found: list[Shown] = []
        while True:
            params: dict[str, Any] = {**fixed, **variant}
            if call.paged:
                params["limit"] = PAGE_SIZE
            if after:
                params["starting_after"] = after
            observed_at = self._desk.clock.now()
            version = self._row.api_version
            try:
                page = await self._desk.get(call.path, values, params, version)
            except CursorVanished:
                # It was deleted meanwhile: what it stood for is read from the beginning.
                found, after = [], None
                continue
            found += [Shown(obj, observed_at) for obj in page["data"]]
            if not page["has_more"] or not page["data"]:
                return found
            after = page["data"][-1]["id"]


class Descendants:
    """Hands the children of objects on to another harvest, where they are parents themselves.

    Args:
        children: Finds the children.
        harvest: What is made of them.
    """

    def __init__(self, children: Children, harvest: Harvest) -> None:
        self._children = children
        self._harvest = harvest

    async def __call__(self, shown: Sequence[Shown]) -> list[list[Observation]]:
        """What the harvest makes of the children of each object."""
        families = await self._children.families(shown)
        found = await self._harvest([child for f in families for child in f.children])
        parts = iter(found)
        return [[o for _ in family.children for o in next(parts)] for family in families]


def _tell_all(row: Collection, calls: Sequence[ListCall]) -> bool:
    """Whether what these lists do not show below a parent is gone."""
    parents, paths = {call.parent for call in calls}, {call.path for call in calls}
    others = any(call.parent in parents and call.path not in paths for call in row.lists)
    return not others and all(call.owned for call in calls)


def _held(parent: Shown, call: ListCall) -> JsonObject | None:
    """The beginning of a list, where the parent holds it."""
    value = parent.obj.get(call.embedded) if call.embedded else None
    return value if isinstance(value, dict) else None
