"""One page of a list, read and completed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from stripe_sync.catalog import Collection, ListCall
from stripe_sync.client import Permit, Priority, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject

PAGE_SIZE = 100
"""Stripe's largest page."""

_ITEM_BYTES = 700


# As with observations, frozen would cost more than all the rest of making one.
@dataclass(slots=True)
class Item:
    """One object of a page.

    Attributes:
        id: Its Stripe id, which is what cursors take.
        created: Unix seconds, None where the object does not say.
        observations: The object, shaped; for a walk over parents, what was found below it.
    """

    id: str
    created: int | None
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page as Stripe gives it.

    Attributes:
        items: Newest first.
        has_more: Whether there are older ones.
        size: Bytes that the items hold in memory, roughly.
    """

    items: list[Item]
    has_more: bool
    size: int = 0


class PageReader:
    """Reads pages of one list endpoint and completes the objects on them.

    Args:
        api: The client.
        collection: The catalogue's row.
        call: Which of its lists.
        normalizer: Shapes the objects.
        clock: Tells when a request is sent.
        variant: One of the list's variants.
        priority: Priority of the requests.
    """

    def __init__(
        self,
        api: StripeApi,
        collection: Collection,
        call: ListCall,
        *,
        normalizer: Normalizer,
        clock: Clock,
        variant: Mapping[str, str] | None = None,
        priority: Priority = Priority.BACKFILL,
    ) -> None:
        self._api = api
        self._collection = collection
        self._call = call
        self._normalizer = normalizer
        self._clock = clock
        self._filters = {**call.params, **(variant or {})}
        self._priority = priority

    async def permit(self) -> Permit:
        """Wait until a page may be read, for who decides only then which."""
        return await self._api.permit(self._call.path, priority=self._priority)

    async def read(self, params: Mapping[str, Any], permit: Permit | None = None) -> Page:
        """Read one page.

        Args:
            params: Filters and cursor; page size and expansions are added.
            permit: What ``permit`` gave a moment ago; None to wait here.

        Raises:
            StripeError: As the client raises it.
        """
        query: dict[str, Any] = {**self._filters, **params, "limit": PAGE_SIZE}
        if self._collection.expand:
            query["expand"] = [f"data.{path}" for path in self._collection.expand]
        observed_at = self._clock.now()
        answer = await self._api.get(
            self._call.path,
            params=query,
            priority=self._priority,
            api_version=self._collection.api_version,
            permit=permit,
        )
        objects: list[JsonObject] = answer["data"]
        await complete_lists(self._api, objects, self._priority, self._collection.api_version)
        items = [self._item(obj, observed_at) for obj in objects]
        size = sum(_ITEM_BYTES + len(item.observations[0].payload_json) for item in items)
        return Page(items, answer["has_more"], size)

    def _item(self, obj: JsonObject, observed_at: datetime) -> Item:
        # Taken first: observing redacts the object in place.
        created = self._normalizer.created(obj)
        return Item(obj["id"], created, (self._normalizer.normalize(obj, observed_at=observed_at),))


async def complete_lists(
    api: StripeApi,
    objects: list[JsonObject],
    priority: Priority,
    api_version: str | None = None,
    expand: Sequence[str] = (),
) -> None:
    """Complete the lists that Stripe embeds at the top level of objects and cuts at 10.

    Args:
        api: The client.
        objects: Objects as Stripe sent them; completed in place.
        priority: Priority of the requests.
        api_version: Stripe-Version to ask with, None for the client's own.
        expand: What was expanded in the objects, ``lines.data.discounts``.

    Raises:
        StripeError: As the client raises it.
    """
    cut = [
        (
            obj,
            value,
            [path.removeprefix(f"{name}.") for path in expand if path.startswith(f"{name}.data.")],
        )
        for obj in objects
        for name, value in obj.items()
        if type(value) is dict
        and value.get("object") == "list"
        and value.get("has_more")
        # Without the object's id the url would list those of all objects. Only previews have none.
        and obj.get("id", "") in value["url"]
    ]
    if cut:
        await asyncio.gather(
            *(_complete(api, o, nested, priority, api_version, more) for o, nested, more in cut)
        )


async def _complete(  # noqa: PLR0917 - a request's parts
    api: StripeApi,
    obj: JsonObject,
    nested: JsonObject,
    priority: Priority,
    api_version: str | None,
    expand: list[str],
) -> None:
    parts = urlsplit(nested["url"])
    # The url names the object; its template is what rate limits count.
    own = obj.get("id")
    template = "/".join("{id}" if part == own else part for part in parts.path.split("/"))
    params: dict[str, Any] = dict(parse_qsl(parts.query))
    if expand:
        params["expand"] = expand
    while nested["has_more"]:
        cursor = {"starting_after": nested["data"][-1]["id"]} if nested["data"] else {}
        page = await api.get(
            template,
            {"id": str(own)} if "{id}" in template else None,
            {**params, **cursor, "limit": PAGE_SIZE},
            priority=priority,
            api_version=api_version,
        )
        nested["data"] += page["data"]
        nested["has_more"] = page["has_more"] and bool(page["data"])
