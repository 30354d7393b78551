"""Stripe's list of a collection, read for the sake of what its objects lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stripe_sync.catalog import Collection, ListCall
from stripe_sync.client import Permit
from stripe_sync.extract.pages import PAGE_SIZE, Item, Page, complete_lists
from stripe_sync.extract.source_objects import RecordExtractor, Requester, SourceObject

_ITEM_BYTES = 700


class ParentReader:
    """Reads pages of a list; the objects themselves are not kept.

    Args:
        requester: What to ask Stripe with.
        row: The collection that is listed.
        call: Which of its lists.
        extractor: What is made of its objects.
        expand: Fields to expand in the objects.
        params: Filters.
        complete: Whether lists that the objects embed are completed first.
        api_version: Stripe-Version to ask with, None for that of the collection.
    """

    def __init__(
        self,
        requester: Requester,
        row: Collection,
        call: ListCall,
        extractor: RecordExtractor,
        *,
        expand: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
        complete: bool = False,
        api_version: str | None = None,
    ) -> None:
        self._requester = requester
        self._row = row
        self._call = call
        self._extractor = extractor
        self._expand = list(expand)
        self._params = {**call.params, **(params or {})}
        self._complete = complete
        self._version = api_version or row.api_version

    async def permit(self) -> Permit:
        """Wait until a page may be read, for who decides only then which."""
        return await self._requester.api.permit(self._call.path, priority=self._requester.priority)

    async def read(self, params: Mapping[str, Any], permit: Permit | None = None) -> Page:
        """Read one page and what its objects lead to.

        Args:
            params: Filters and cursor.
            permit: What ``permit`` gave a moment ago; None to wait here.

        Raises:
            StripeError: As the client raises it.
        """
        query: dict[str, Any] = {**self._params, **params, "limit": PAGE_SIZE}
        if self._expand:
            query["expand"] = [f"data.{path}" for path in self._expand]
        observed_at = self._requester.clock.now()
        answer = await self._requester.api.get(
            self._call.path,
            params=query,
            priority=self._requester.priority,
            api_version=self._version,
            permit=permit,
        )
        objects = answer["data"]
        if self._complete:
            await complete_lists(
                self._requester.api, objects, self._requester.priority, self._version, self._expand
            )
        marks = [(obj["id"], _created(obj, self._row)) for obj in objects]
        found = await self._extractor([SourceObject(obj, observed_at) for obj in objects])
        items = [
            Item(name, created, tuple(observations))
            for (name, created), observations in zip(marks, found, strict=True)
        ]
        size = sum(len(o.payload_json) + _ITEM_BYTES for item in items for o in item.observations)
        return Page(items, answer["has_more"], size)


def _created(obj: dict[str, Any], row: Collection) -> int | None:
    value = obj.get(row.created_field) if row.created_field else None
    return value if isinstance(value, int) else None
