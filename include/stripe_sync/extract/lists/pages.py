"""One page of a list, turned into records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stripe_sync.catalog import Collection
from stripe_sync.client import Permit
from stripe_sync.clock import is_moment
from stripe_sync.errors import MalformedObject
from stripe_sync.extract.extractors.source_objects import (
    RecordExtractor,
    SourceObject,
    extract_each,
)
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.extract.pagination import ListPage, ListRequest, fetch_page, id_of
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject

_ITEM_BYTES = 700
"""Memory of an observation beside its payload, roughly."""


# As with observations, frozen would cost more than all the rest of making one.
@dataclass(slots=True)
class Item:
    """One object of a page.

    Attributes:
        id: Its Stripe id, which is what cursors take.
        created: Unix seconds, None where the object has no such field.
        observations: What was extracted from it.
    """

    id: str
    created: int | None
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        items: In Stripe's order, newest first.
        has_more: Whether there are older ones.
        size: Bytes that the items take in memory, roughly.
        last_id: Id of its last object, where that is not among the items.
        before: As in ``ListPage``.
    """

    items: list[Item]
    has_more: bool
    size: int = 0
    last_id: str | None = None
    before: int | None = None

    @property
    def cursor(self) -> str | None:
        """Cursor of the next page; None for an empty page."""
        return self.last_id or (self.items[-1].id if self.items else None)


@dataclass(frozen=True, slots=True)
class ListReader:
    """Reads the pages of one list.

    Attributes:
        requester: Sends the requests.
        collection: The collection that is listed.
        request: The list.
        extractor: Turns its objects into observations.
        complete: Whether lists that the objects embed are completed first.
    """

    requester: Requester
    collection: Collection
    request: ListRequest
    extractor: RecordExtractor
    complete: bool

    async def permit(self) -> Permit:
        """Wait until a page may be read, for a caller that chooses the page only then."""
        priority = self.requester.priority
        return await self.requester.api.permit(self.request.path, priority=priority)

    async def read(
        self, cursor: Mapping[str, Any], permit: Permit | None = None, *, reached: int | None = None
    ) -> Page:
        """Read one page; the arguments and errors of ``fetch_page``."""
        page = await fetch_page(
            self.requester, self.request, cursor, permit=permit, reached=reached
        )
        return await self.extract(page)

    async def extract(self, page: ListPage) -> Page:
        """Turn the objects of a page into observations.

        Raises:
            StripeError: As the client raises it.
        """
        last_id, objects = page.last_id, self._usable(page)
        if self.complete:
            objects = await self._completed(objects, page)
        # Taken before extraction, which redacts the objects in place.
        keys = [(obj["id"], self.collection.created(obj)) for obj in objects]
        found = await extract_each(
            self.extractor,
            [SourceObject(obj, page.observed_at) for obj in objects],
            self.collection.id,
            self.requester.set_aside,
        )
        items = [
            Item(name, created, tuple(observations))
            for (name, created), observations in zip(keys, found, strict=True)
        ]
        size = sum(len(o.payload_json) + _ITEM_BYTES for item in items for o in item.observations)
        return Page(items, page.has_more, size, last_id, page.before)

    async def _completed(self, objects: list[JsonObject], page: ListPage) -> list[JsonObject]:
        """The objects with whole lists, without those whose lists cannot be completed."""
        version, expand = self.request.api_version, self.request.expand
        try:
            await complete_lists(self.requester, objects, version, expand=expand)
        except MalformedObject as error:
            if len(objects) > 1:
                return [o for obj in objects for o in await self._completed([obj], page)]
            self.requester.set_aside.add(
                self.collection.id, objects[0], str(error), observed_at=page.observed_at
            )
            return []
        return objects

    def _usable(self, page: ListPage) -> list[JsonObject]:
        """The objects of a page that have an id and a time that a calendar has."""
        usable = []
        for obj in page.objects:
            if problem := self._problem_of(obj):
                self.requester.set_aside.add(
                    self.collection.id, obj, problem, observed_at=page.observed_at
                )
            else:
                usable.append(obj)
        return usable

    def _problem_of(self, obj: Any) -> str | None:
        if id_of(obj) is None:
            return "it is no object with an id"
        created = self.collection.created(obj)
        if created is not None and not is_moment(created):
            return f"its time of creation is {created}"
        return None
