"""Objects that stand inside objects of other collections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from stripe_sync.catalog import Collection
from stripe_sync.errors import NotFound
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.extract.pages import complete_lists
from stripe_sync.extract.source_objects import (
    RecordExtractor,
    Requester,
    SourceObject,
    ids_at,
    values_at,
)
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject


class EmbeddedExtractor:
    """Objects that others hold whole, by nature or because the field is expanded.

    Args:
        row: The collection of what is held.
        paths: Where it stands, as in the catalogue's ``sources``.
        normalizer: Shapes it.
    """

    def __init__(self, row: Collection, paths: Sequence[str], normalizer: Normalizer) -> None:
        self._row = row
        self._paths = [path.split(".") for path in paths]
        self._normalizer = normalizer

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What each object holds."""
        return [self._inside(holder) for holder in shown]

    def _inside(self, holder: SourceObject) -> list[Observation]:
        found: dict[str, JsonObject] = {}
        for path in self._paths:
            for value in values_at(holder.obj, path):
                if is_whole(value, self._row):
                    found.setdefault(self._normalizer.upstream_id(value, holder.id), value)
        return [
            self._normalizer.normalize(
                value,
                upstream_id=upstream_id,
                observed_at=holder.observed_at,
                api_version=holder.api_version,
            )
            for upstream_id, value in found.items()
        ]


class ReferenceExtractor:
    """Objects that others only name: each is retrieved once.

    Args:
        requester: What to ask Stripe with.
        row: The collection of what is named.
        paths: Where the names stand, as in the catalogue's ``sources``.
        normalizer: Shapes it.
        seen: Ids that need not be retrieved; those that are, are added.
    """

    def __init__(
        self,
        requester: Requester,
        row: Collection,
        paths: Sequence[str],
        *,
        normalizer: Normalizer,
        seen: set[str],
    ) -> None:
        self._requester = requester
        self._row = row
        self._paths = paths
        self._normalizer = normalizer
        self._seen = seen

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What each object names, if no other named it before."""
        named = [self._new(holder) for holder in shown]
        flat = await asyncio.gather(*(self._retrieve(name) for names in named for name in names))
        found = iter(flat)
        return [[o for o in (next(found) for _ in names) if o] for names in named]

    def _new(self, holder: SourceObject) -> list[str]:
        named = [name for path in self._paths for name in self._ids(holder.obj, path)]
        new = [name for name in dict.fromkeys(named) if name not in self._seen]
        self._seen.update(new)
        return new

    def _ids(self, obj: JsonObject, path: str) -> list[str]:
        # A field that may hold several kinds of objects tells them by prefix when it holds ids.
        prefixes = self._row.id_prefixes
        return [name for name in ids_at(obj, path) if not prefixes or name.startswith(prefixes)]

    async def _retrieve(self, name: str) -> Observation | None:
        retrieve_request = self._row.retrieve_request({"id": name})
        if retrieve_request is None:
            return None
        observed_at = self._requester.clock.now()
        try:
            obj = await self._requester.get(*retrieve_request, None, self._row.api_version)
        except NotFound:
            return None
        if not is_whole(obj, self._row):
            return None
        return self._normalizer.normalize(obj, observed_at=observed_at)


class RecordingExtractor:
    """Notes what a harvest found, and what it need not be looked for again.

    Args:
        extractor: The harvest.
        seen: Keys of what it finds are added.
        paths: Where what it finds stands. What was not shown there though it was asked for, such
            as a discount that is gone, will not be shown elsewhere, and counts as seen.
    """

    def __init__(
        self, extractor: RecordExtractor, seen: set[str], paths: Sequence[str] = ()
    ) -> None:
        self._extractor = extractor
        self._seen = seen
        self._paths = paths

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What the harvest finds."""
        found = await self._extractor(shown)
        self._seen.update(o.upstream_id for observations in found for o in observations)
        self._seen.update(
            name for holder in shown for path in self._paths for name in ids_at(holder.obj, path)
        )
        return found


class UnseenReferencesOnly:
    """Hands on only those objects that name something not seen yet.

    Args:
        paths: Where the names stand.
        seen: What was seen.
        extractor: What is made of those objects; it adds to what was seen.
    """

    def __init__(self, paths: Sequence[str], seen: set[str], extractor: RecordExtractor) -> None:
        self._paths = paths
        self._seen = seen
        self._extractor = extractor

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What the harvest makes of those objects, nothing of the others."""
        promised: set[str] = set()
        worth = []
        for holder in shown:
            new = {name for path in self._paths for name in ids_at(holder.obj, path)}
            new -= self._seen | promised
            promised |= new
            worth.append(bool(new))
        handed = [holder for holder, new in zip(shown, worth, strict=True) if new]
        found = iter(await self._extractor(handed))
        return [next(found) if new else [] for new in worth]


class RehydratingExtractor:
    """Retrieves objects with fields expanded before they are harvested.

    Args:
        requester: What to ask Stripe with.
        row: The collection of these objects.
        expand: The fields.
        extractor: What is made of them then.
        api_version: Stripe-Version to ask with, None for that of the collection.
    """

    def __init__(
        self,
        requester: Requester,
        row: Collection,
        expand: Sequence[str],
        extractor: RecordExtractor,
        *,
        api_version: str | None = None,
    ) -> None:
        self._version = api_version or row.api_version
        self._requester = requester
        self._row = row
        self._expand = list(expand)
        self._extractor = extractor

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What the harvest makes of each object; nothing of those that are gone."""
        fetched = await asyncio.gather(*(self._fetch(each) for each in shown))
        found = iter(await self._extractor([each for each in fetched if each]))
        return [next(found) if each else [] for each in fetched]

    async def _fetch(self, shown: SourceObject) -> SourceObject | None:
        retrieve_request = self._row.retrieve_request(shown.obj)
        if retrieve_request is None:
            return None
        observed_at = self._requester.clock.now()
        try:
            obj = await self._requester.get(
                *retrieve_request, {"expand": self._expand}, self._version
            )
        except NotFound:
            return None
        await complete_lists(
            self._requester.api, [obj], self._requester.priority, self._version, self._expand
        )
        return SourceObject(obj, observed_at)


class EventPayloadExtractor:
    """Objects that only Stripe events carry.

    Args:
        row: The collection of what is carried.
        normalizer: Shapes it.
    """

    def __init__(self, row: Collection, normalizer: Normalizer) -> None:
        self._row = row
        self._normalizer = normalizer

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """What each Stripe event carries."""
        return [self._carried(event) for event in shown]

    def _carried(self, event: SourceObject) -> list[Observation]:
        obj = event.obj["data"]["object"]
        if not is_whole(obj, self._row):
            return []
        version = event.obj.get("api_version")
        return [
            self._normalizer.normalize(
                obj, observed_at=event.observed_at, api_version=version, fallback=True
            )
        ]


def is_whole(value: Any, row: Collection) -> bool:
    """Whether a value is an object of a collection, and no stub of a deleted one."""
    return (
        isinstance(value, dict) and value.get("object") == row.object and not value.get("deleted")
    )
