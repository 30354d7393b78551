"""Objects that Stripe computes on demand for each object of another collection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from stripe_sync.catalog import Collection, PreviewCall
from stripe_sync.errors import InvalidRequest, NotFound
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.extract.pages import complete_lists
from stripe_sync.extract.source_objects import Requester, SourceObject, StoredChildren, values_at
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject

log = logging.getLogger(__name__)


class PreviewExtractor:
    """The preview of each object, with what it holds.

    A preview is keyed by the object that it is made for, and what it holds by its place therein:
    their own ids are made anew with each preview.

    Args:
        requester: What to ask Stripe with.
        call: The call that makes Stripe compute one.
        normalizer: Shapes the previews.
        lines: Normalizer and path of each collection that is taken from the previews.
        row: The collection of the previews.
        api_version: Stripe-Version of the requests.
        stored: Looks up what is stored below the objects.
    """

    def __init__(
        self,
        requester: Requester,
        row: Collection,
        call: PreviewCall,
        *,
        normalizer: Normalizer,
        lines: Sequence[tuple[Collection, Normalizer, str]],
        api_version: str,
        stored: StoredChildren,
    ) -> None:
        self._requester = requester
        self._row = row
        self._call = call
        self._normalizer = normalizer
        self._lines = lines
        self._old = call.old_path is not None and api_version < (call.old_before or "")
        self._stored = stored

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """The preview of each object; what is stored of one that Stripe makes no more is gone."""
        started = self._requester.clock.now()
        previews = await asyncio.gather(*(self._preview(parent) for parent in shown))
        ids = [parent.id for parent in shown]
        rows = [self._row, *(row for row, _, _ in self._lines)]
        stored = {row.id: await self._stored(row.id, ids) for row in rows}
        found = []
        for parent, (preview, known) in zip(shown, previews, strict=True):
            observations = self._normalize(parent.id, preview) if preview else []
            if known:
                kept = {(o.collection_id, o.upstream_id) for o in observations}
                observations += self._gone(parent.id, stored, kept, started)
            found.append(observations)
        return found

    def _normalize(self, parent_id: str, preview: SourceObject) -> list[Observation]:
        observations = []
        for _, normalizer, path in self._lines:
            for number, line in enumerate(values_at(preview.obj, path.split("."))):
                observations.append(
                    normalizer.normalize(
                        line,
                        upstream_id=f"{parent_id}:{number}",
                        parent_id=parent_id,
                        observed_at=preview.observed_at,
                    )
                )
        whole = self._normalizer.normalize(
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
        normalizers = {self._row.id: self._normalizer} | {row.id: s for row, s, _ in self._lines}
        return [
            normalizer.tombstone(name, observed_at=at, parent_id=parent_id)
            for collection, normalizer in normalizers.items()
            for name in stored[collection].get(parent_id, ())
            if (collection, name) not in kept
        ]

    async def _preview(self, parent: SourceObject) -> tuple[SourceObject | None, bool]:
        """The preview, and whether it is known that there is no other."""
        if any(rule.applies(parent.obj) for rule in self._call.skip):
            return None, True
        observed_at = self._requester.clock.now()
        try:
            obj = await self._compute(parent.id)
        except (InvalidRequest, NotFound) as error:
            if error.code != self._call.none_code:
                # An object that Stripe cannot compute anything for must not stop the others.
                log.info("No preview for %s: %s", parent.id, error)
            return None, error.code == self._call.none_code
        await self._complete(obj)
        return SourceObject(obj, observed_at), True

    async def _compute(self, parent_id: str) -> JsonObject:
        [name] = self._call.params
        params = {name: parent_id}
        async with self._requester.slots:
            if self._old:
                path = str(self._call.old_path)
                return await self._requester.api.get(
                    path, None, params, priority=self._requester.priority
                )
            # Under a key used before Stripe would repeat what it computed then.
            key = f"preview-{uuid4()}"
            return await self._requester.api.post(
                self._call.path,
                None,
                params,
                idempotency_key=key,
                priority=self._requester.priority,
            )

    async def _complete(self, obj: JsonObject) -> None:
        try:
            await complete_lists(self._requester.api, [obj], self._requester.priority)
        except (InvalidRequest, NotFound) as error:
            log.warning("The preview's list stays cut: %s", error)
