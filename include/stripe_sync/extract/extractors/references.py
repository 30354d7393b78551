"""Extractors that retrieve: objects that others reference, or the objects with fields expanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stripe_sync.catalog import Collection, SourceField
from stripe_sync.errors import NotFound
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.extractors.source_objects import (
    CollectionExtractor,
    RecordExtractor,
    SourceObject,
    ids_at,
    read_noted,
    values_at,
)
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class ReferenceExtractor(CollectionExtractor):
    """Retrieves each referenced object once.

    Attributes:
        paths: Where the references are, as in the catalogue's ``sources``.
        known: Ids that are not retrieved; those that are retrieved are added.
    """

    paths: Sequence[str]
    known: set[str]

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """The objects that each object references, unless they are known."""
        unknown = [self._unknown(source) for source in sources]
        every = [name for names in unknown for name in names]
        retrieved = iter(
            await read_noted(self.context, str(self.collection.retrieve), every, self._retrieve)
        )
        return [[o for _ in names for o in next(retrieved) or ()] for names in unknown]

    def _unknown(self, source: SourceObject) -> list[str]:
        names = dict.fromkeys(references_to(self.collection, source.obj, self.paths))
        unknown = [name for name in names if name not in self.known]
        self.known.update(unknown)
        return unknown

    async def _retrieve(self, name: str) -> list[Observation]:
        request = self.collection.retrieve_request({"id": name})
        if request is None:
            return []
        requester = self.context.requester
        observed_at = requester.clock.now()
        try:
            obj = await requester.get(*request, api_version=self.collection.api_version)
        except NotFound:
            return []
        if not self.is_object(obj):
            return []
        return self.context.observe(self.collection, obj, observed_at=observed_at)


@dataclass(frozen=True, slots=True)
class RehydratingExtractor:
    """Retrieves objects with fields expanded, then applies another extractor to them.

    Only objects are retrieved that reference something unknown, or that certainly contain
    something that is left out unless it is expanded.

    Attributes:
        context: The sync.
        collection: The collection of the objects.
        fields: The fields to expand, and what they reference.
        known: Ids that need not be expanded.
        extractor: Applied to the expanded objects.
        api_version: Stripe-Version, None for the client's own.
    """

    context: ReadContext
    collection: Collection
    fields: Sequence[SourceField]
    known: set[str]
    extractor: RecordExtractor
    api_version: str | None

    async def __call__(self, sources: Sequence[SourceObject]) -> list[list[Observation]]:
        """What is extracted from each object; nothing from those not retrieved and deleted ones."""
        chosen = self.choose(sources)
        worthy = [source for source, worth in zip(sources, chosen, strict=True) if worth]
        path = str(self.collection.retrieve)
        expanded = await read_noted(self.context, path, worthy, self._retrieve)
        extracted = iter(await self.extractor([source for source in expanded if source]))
        found = iter([next(extracted) if source else [] for source in expanded])
        return [next(found) if worth else [] for worth in chosen]

    def choose(self, sources: Sequence[SourceObject]) -> list[bool]:
        """Whether each object is worth a request."""
        known = set(self.known)
        chosen = []
        for source in sources:
            names = {name for each in self.fields for name in ids_at(source.obj, each.field)}
            chosen.append(not names <= known or self._contains_hidden(source))
            known |= names
        return chosen

    def _contains_hidden(self, source: SourceObject) -> bool:
        return any(
            any(values_at(source.obj, each.nonzero_if_any.split(".")))
            for each in self.fields
            if each.nonzero_if_any
        )

    async def _retrieve(self, source: SourceObject) -> SourceObject | None:
        request = self.collection.retrieve_request(source.obj)
        if request is None:
            return None
        requester = self.context.requester
        observed_at = requester.clock.now()
        expand = [each.expand for each in self.fields if each.expand]
        if not requester.refused_fields.allowed(request[0], expand):
            return None
        try:
            obj = await requester.get(*request, {"expand": expand}, api_version=self.api_version)
        except NotFound:
            return None
        await complete_lists(requester, [obj], self.api_version, expand=expand)
        return SourceObject(obj, observed_at)


def references_to(collection: Collection, obj: JsonObject, paths: Sequence[str]) -> list[str]:
    """Ids of a collection's objects that an object references.

    The prefix decides where a field may reference objects of several collections.
    """
    prefixes = collection.id_prefixes
    found = (name for path in paths for name in ids_at(obj, path))
    return [name for name in found if not prefixes or name.startswith(prefixes)]
