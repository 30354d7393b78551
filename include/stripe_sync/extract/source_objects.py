"""Objects as Stripe showed them, and what is made of them.

A *harvest* turns objects of one collection into observations, of that collection or of others that
its objects hold, name or lead to. Walks do not know what is harvested, and harvests do not know
whether the objects come from Stripe's list or from what is stored already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from stripe_sync.catalog.calls import reference
from stripe_sync.client import Priority, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.records import Observation
from stripe_sync.records.canonical_json import JsonObject

REQUESTS = 32
"""Requests that a harvest has under way at a time; the pacing decides when they leave."""


@dataclass(frozen=True, slots=True)
class SourceObject:
    """An object and when it looked so.

    Attributes:
        obj: The object.
        observed_at: When the request that showed it was sent.
        api_version: Version that it is rendered in, None for the one of its collection.
        id: Its id within its collection, where that is not the object's own.
    """

    obj: JsonObject
    observed_at: datetime
    api_version: str | None = None
    key: str | None = None

    @property
    def id(self) -> str:
        """Stripe's id."""
        return self.key or str(self.obj["id"])


class RecordExtractor(Protocol):
    """What is made of the objects of a collection."""

    async def __call__(self, shown: Sequence[SourceObject]) -> list[list[Observation]]:
        """Observations for each object, in their order.

        Raises:
            StripeError: As the client raises it.
        """
        ...


class StoredChildren(Protocol):
    """Looks up what is stored below objects."""

    def __call__(
        self, collection_id: str, parent_ids: Sequence[str]
    ) -> Awaitable[Mapping[str, Sequence[str]]]:
        """Ids of the records of a collection that are not deleted, by the id of their parent."""
        ...


@dataclass(frozen=True, slots=True)
class Requester:
    """What a harvest asks Stripe with.

    Attributes:
        api: The client.
        clock: Tells when a request is sent.
        priority: Priority of the requests.
    """

    api: StripeApi
    clock: Clock
    priority: Priority = Priority.BACKFILL
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(REQUESTS))

    async def get(
        self,
        template: str,
        values: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        api_version: str | None = None,
    ) -> JsonObject:
        """GET, with a bound on what is under way at a time."""
        async with self.slots:
            return await self.api.get(
                template, values, params, priority=self.priority, api_version=api_version
            )


def values_at(value: Any, path: Sequence[str]) -> list[Any]:
    """What stands at a path; ``*`` goes through all elements, lists are passed through."""
    if not path:
        return [] if value is None else [value]
    head, rest = path[0], path[1:]
    if head == "*":
        inner = value.values() if isinstance(value, dict) else value
        return [v for part in inner for v in values_at(part, rest)] if _several(inner) else []
    if isinstance(value, list):
        return [found for part in value for found in values_at(part, path)]
    return values_at(value.get(head), rest) if isinstance(value, dict) else []


def ids_at(value: Any, path: str) -> list[str]:
    """Ids of what stands at a path, be it ids or objects."""
    found = (reference(v) for v in values_at(value, path.split(".")))
    return [name for name in found if name]


def _several(value: Any) -> bool:
    return not isinstance(value, str | int | float | bool | None)
