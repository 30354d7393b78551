"""Extractors that send no request: the objects themselves, and objects contained in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stripe_sync.catalog import SourceField
from stripe_sync.extract.extractors.source_objects import (
    CollectionExtractor,
    SourceObject,
    ids_at,
    values_at,
)
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class ObjectExtractor(CollectionExtractor):
    """The objects themselves."""

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """One observation for each object."""
        observe, own = self.context.observe, self.collection
        return [observe(own, source.obj, observed_at=source.observed_at) for source in sources]


@dataclass(frozen=True, slots=True)
class EmbeddedExtractor(CollectionExtractor):
    """Objects that others contain in full, always or because the field is expanded.

    Attributes:
        fields: Where they are.
        known: All ids in these fields are added. An id that is not replaced by its object although
            the field is expanded, such as that of a deleted discount, has no object to retrieve.
    """

    fields: Sequence[SourceField]
    known: set[str]

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """The objects that each object contains, each once."""
        return [self._extract(source) for source in sources]

    def _extract(self, source: SourceObject) -> list[Observation]:
        found: dict[str, JsonObject] = {}
        for each in self.fields:
            self.known.update(ids_at(source.obj, each.field))
            for value in values_at(source.obj, each.field.split(".")):
                if key := self.key_of(value, source):
                    found.setdefault(key, value)
        return [
            observation
            for upstream_id, value in found.items()
            for observation in self.context.observe(
                self.collection,
                value,
                upstream_id=upstream_id,
                observed_at=source.observed_at,
                api_version=source.api_version,
            )
        ]


@dataclass(frozen=True, slots=True)
class EventPayloadExtractor(CollectionExtractor):
    """Objects that only Stripe events contain."""

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """The object that each Stripe event is about."""
        return [self._extract(event) for event in sources]

    def _extract(self, event: SourceObject) -> list[Observation]:
        obj = event.obj["data"]["object"]
        if not self.is_object(obj):
            return []
        version = event.obj.get("api_version")
        return self.context.observe(
            self.collection,
            obj,
            observed_at=event.observed_at,
            api_version=version,
            fallback=True,
        )
