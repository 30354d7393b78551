"""Objects that Stripe computes on demand for each object of a parent collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from stripe_sync.catalog import Collection, PreviewCall
from stripe_sync.catalog.dependencies import derived_collections
from stripe_sync.errors import InvalidRequest, NotFound
from stripe_sync.extract.extractors.source_objects import (
    CollectionExtractor,
    SourceObject,
    read_noted,
    values_at,
)
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject

_GONE = "resource_missing"
"""Stripe's error code where an object that a request names does not exist."""


@dataclass(frozen=True, slots=True)
class PreviewExtractor(CollectionExtractor):
    """The preview of each object, and the lines that it contains.

    The key of a preview is that of the object that it is computed for, the key of a line its place
    in the preview: Stripe gives both a new id with each request.

    Attributes:
        call: The call that makes Stripe compute one.
    """

    call: PreviewCall

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """Preview and lines of each object; tombstones of those that Stripe computes no more.

        An object with ``deleted`` takes no request: its preview goes with it.
        """
        started = self.context.requester.clock.now()
        previews = await self._previews(sources)
        ids = [source.id for source in sources]
        collections = [self.collection, *(derived for derived, _ in self._lines())]
        children = self.context.stored.children
        stored = {each.id: await children(each.id, ids) for each in collections}
        found = []
        for parent_id, (preview, is_certain) in zip(ids, previews, strict=True):
            observations = self._normalize(parent_id, preview) if preview else []
            if is_certain:
                observations += self._tombstones(parent_id, stored, observations, started)
            found.append(observations)
        return found

    def _normalize(self, parent_id: str, preview: SourceObject) -> list[Observation]:
        at = preview.observed_at
        # Before the preview itself, whose normalization may redact the lines.
        observe = self.context.observe
        lines = [
            observation
            for derived, path in self._lines()
            for number, line in enumerate(values_at(preview.obj, path))
            for observation in observe(
                derived,
                line,
                upstream_id=f"{parent_id}:{number}",
                parent_id=parent_id,
                observed_at=at,
            )
        ]
        whole = observe(
            self.collection,
            preview.obj,
            upstream_id=parent_id,
            parent_id=parent_id,
            observed_at=at,
        )
        return [*whole, *lines]

    def _lines(self) -> Iterator[tuple[Collection, list[str]]]:
        """The collections of lines, with their path in a preview."""
        for derived in derived_collections(self.context.catalog, self.collection):
            for source in derived.sources:
                if source.collection == self.collection.id:
                    yield derived, source.field.split(".")

    def _tombstones(
        self,
        parent_id: str,
        stored: Mapping[str, Mapping[str, Sequence[str]]],
        observations: Sequence[Observation],
        at: datetime,
    ) -> list[Observation]:
        current = {(o.collection_id, o.upstream_id) for o in observations}
        return [
            self.context.normalizer(self.context.catalog[name]).tombstone(
                key, observed_at=at, parent_id=parent_id
            )
            for name, by_parent in stored.items()
            for key in by_parent.get(parent_id, ())
            if (name, key) not in current
        ]

    async def _previews(
        self, sources: Sequence[SourceObject]
    ) -> list[tuple[SourceObject | None, bool]]:
        """The preview of each object, and whether it is certain that there is no other."""
        wanted = [each for each in sources if not self._is_skipped(each)]
        found = iter(await read_noted(self.context, self.call.path, wanted, self._preview))
        return [
            (None, True) if self._is_skipped(each) else next(found) or (None, False)
            for each in sources
        ]

    def _is_skipped(self, source: SourceObject) -> bool:
        skip = any(predicate.matches(source.obj) for predicate in self.call.skip)
        return skip or bool(source.obj.get("deleted"))

    async def _preview(self, source: SourceObject) -> tuple[SourceObject | None, bool]:
        """The preview, and whether it is certain that there is no other line or preview."""
        observed_at = self.context.requester.clock.now()
        try:
            obj = await self._compute(source.id)
        except (InvalidRequest, NotFound) as error:
            is_gone = error.code == _GONE and source.id in str(error)
            if not is_gone and error.code != self.call.none_code:
                raise
            return None, True
        # Each answer gives the lines new ids, which are no cursors.
        is_whole = await complete_lists(self.context.requester, [obj], from_start=True)
        return SourceObject(obj, observed_at), is_whole

    async def _compute(self, parent_id: str) -> JsonObject:
        [name] = self.call.params
        params = {name: parent_id}
        requester = self.context.requester
        if self.call.old_path and self.context.api_version < (self.call.old_before or ""):
            return await requester.get(self.call.old_path, None, params)
        # Under an idempotency key used before, Stripe would return the old preview.
        key, priority = f"preview-{uuid4()}", requester.priority
        async with requester.slots:
            return await requester.api.post(
                self.call.path, None, params, idempotency_key=key, priority=priority
            )
