"""Objects that Stripe computes on demand for each object of another collection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from stripe_sync.catalog import Collection, PreviewCall
from stripe_sync.errors import InvalidRequest, NotFound
from stripe_sync.extract.pages import complete_lists
from stripe_sync.extract.shape import Shaper
from stripe_sync.extract.shown import Desk, Shown, StoredChildren, values_at
from stripe_sync.jsonio import JsonObject
from stripe_sync.warehouse.model import Observation

log = logging.getLogger(__name__)


class Previews:
    """The preview of each object, with what it holds.

    A preview is keyed by the object that it is made for, and what it holds by its place therein:
    their own ids are made anew with each preview.

    Args:
        desk: What to ask Stripe with.
        call: The call that makes Stripe compute one.
        shaper: Shapes the previews.
        lines: Shaper and path of each collection that is taken from the previews.
        row: The collection of the previews.
        api_version: Stripe-Version of the requests.
        stored: Looks up what is stored below the objects.
    """

    def __init__(
        self,
        desk: Desk,
        row: Collection,
        call: PreviewCall,
        *,
        shaper: Shaper,
        lines: Sequence[tuple[Collection, Shaper, str]],
        api_version: str,
        stored: StoredChildren,
    ) -> None:
        self._desk = desk
        self._row = row
        self._call = call
        self._shaper = shaper
        self._lines = lines
        self._old = call.old_path is not None and api_version < (call.old_before or "")
        self._stored = stored

    async def __call__(self, shown: Sequence[Shown]) -> list[list[Observation]]:
        """The preview of each object; what is stored of one that Stripe makes no more is gone."""
        started = self._desk.clock.now()
        previews = await asyncio.gather(*(self._preview(parent) for parent in shown))
        ids = [parent.id for parent in shown]
        rows = [self._row, *(row for row, _, _ in self._lines)]
        stored = {row.id: await self._stored(row.id, ids) for row in rows}
        found = []
        for parent, (preview, known) in zip(shown, previews, strict=True):
            observations = self._observe(parent.id, preview) if preview else []
            if known:
                kept = {(o.collection_id, o.upstream_id) for o in observations}
                observations += self._gone(parent.id, stored, kept, started)
            found.append(observations)
        return found

    def _observe(self, parent_id: str, preview: Shown) -> list[Observation]:
        observations = []
        for _, shaper, path in self._lines:
            for number, line in enumerate(values_at(preview.obj, path.split("."))):
                observations.append(
                    shaper.observe(
                        line,
                        upstream_id=f"{parent_id}:{number}",
                        parent_id=parent_id,
                        observed_at=preview.observed_at,
                    )
                )
        whole = self._shaper.observe(
            preview.obj,
            upstream_id=parent_id,
            parent_id=parent_id,
            observed_at=preview.observed_at,
        )
        return [whole, *observations]

    def _gone(
        self,
        parent_id: str,
        stored: Mapping[str, Mapping[str, Sequence[str]]],
        kept: set[tuple[str, str]],
        at: datetime,
    ) -> list[Observation]:
        shapers = {self._row.id: self._shaper} | {row.id: s for row, s, _ in self._lines}
        return [
            shaper.observe_gone(name, observed_at=at, parent_id=parent_id)
            for collection, shaper in shapers.items()
            for name in stored[collection].get(parent_id, ())
            if (collection, name) not in kept
        ]

    async def _preview(self, parent: Shown) -> tuple[Shown | None, bool]:
        """The preview, and whether it is known that there is no other."""
        if any(rule.applies(parent.obj) for rule in self._call.skip):
            return None, True
        observed_at = self._desk.clock.now()
        try:
            obj = await self._compute(parent.id)
        except (InvalidRequest, NotFound) as error:
            if error.code != self._call.none_code:
                # An object that Stripe cannot compute anything for must not stop the others.
                log.info("No preview for %s: %s", parent.id, error)
            return None, error.code == self._call.none_code
        await self._complete(obj)
        return Shown(obj, observed_at), True

    async def _compute(self, parent_id: str) -> JsonObject:
        [name] = self._call.params
        params = {name: parent_id}
        async with self._desk.slots:
            if self._old:
                path = str(self._call.old_path)
                return await self._desk.api.get(path, None, params, lane=self._desk.lane)
            # Under a key used before Stripe would repeat what it computed then.
            key = f"preview-{uuid4()}"
            return await self._desk.api.post(
                self._call.path, None, params, idempotency_key=key, lane=self._desk.lane
            )

    async def _complete(self, obj: JsonObject) -> None:
        try:
            await complete_lists(self._desk.api, [obj], self._desk.lane)
        except (InvalidRequest, NotFound) as error:
            log.warning("The preview's list stays cut: %s", error)
