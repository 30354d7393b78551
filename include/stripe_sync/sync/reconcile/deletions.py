"""Deletions: which stored objects that a read did not return are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from stripe_sync.catalog import STRIPE_EVENTS, Collection, Retrieval
from stripe_sync.errors import NotFound
from stripe_sync.extract.complete_lists import complete_lists
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Observation, StoredObject
from stripe_sync.sync.session import Session

_NO_LIST = {
    Retrieval.EMBEDDED: "an object that no other object contains may still exist",
    Retrieval.EXPANDED: "an object that no other object references may still exist",
    Retrieval.RETRIEVE_ONLY: "an object that no other object references may still exist",
    Retrieval.EVENT_ONLY: "only Stripe events contain it, and Stripe keeps those for 30 days",
    Retrieval.CREATE_ONLY: "Stripe returns it only when it is created",
}


def why_deletes_unknown(
    collection: Collection, *, window: timedelta | None, bound: int | None
) -> str | None:
    """Why a stored object that a read does not return may exist; None where it is missing.

    Top-level lists show it for the whole collection, nested lists and previews for each parent that
    was read; objects of deleted parents stay. A missing object is deleted only if it cannot be
    retrieved either: closed reviews, detached payment methods and customers of test clocks exist,
    though lists leave them out.

    Args:
        collection: The collection.
        window: Age of the oldest objects that were read; None for all.
        bound: Unix seconds; the sync leaves out objects created earlier. None for none.
    """
    if window is not None:
        return "a window returns only what was created in it"
    if bound is not None:
        return "this sync stores only what was created lately"
    if collection.id == STRIPE_EVENTS:
        return "Stripe keeps its events for 30 days"
    return _NO_LIST.get(collection.retrieval)


class MissingObjectCheck:
    """Retrieves objects that are stored but that a read did not return.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._requester = Requester(session.api, session.clock)

    async def verify(
        self, collection: Collection, missing: Mapping[str, datetime]
    ) -> list[Observation]:
        """The current states of missing objects: tombstones for deleted ones.

        Args:
            collection: Their collection.
            missing: Their keys, and when a read did not return them.

        Raises:
            StripeError: As the client raises it.
        """
        stored = await asyncio.to_thread(
            self._session.warehouse.records.get,
            self._session.sync.id,
            collection.id,
            list(missing),
        )
        # Objects that no list returns are not retrieved each time.
        listed = (
            state
            for state in stored
            if not any(predicate.matches(state.payload) for predicate in collection.unlisted)
        )
        checks = (self._verify(collection, each, missing[each.upstream_id]) for each in listed)
        return [observation for found in await asyncio.gather(*checks) for observation in found]

    async def _verify(
        self, collection: Collection, stored: StoredObject, missing_at: datetime
    ) -> list[Observation]:
        context, name = self._session.context, stored.upstream_id
        request = collection.retrieve_request(stored.payload)
        if request is not None:
            missing_at = self._session.clock.now()
            expand = {"expand": list(collection.expand)} if collection.expand else None
            version = collection.api_version
            try:
                obj = await self._requester.get(*request, expand, api_version=version)
            except NotFound:
                obj = {"deleted": True}
            if not obj.get("deleted"):
                if obj.get("object") != collection.object:
                    reason = f"Stripe returned it for {name}"
                    context.set_aside(collection, obj, reason, observed_at=missing_at)
                    return []
                await complete_lists(self._requester, [obj], version, expand=collection.expand)
                return context.observe(collection, obj, observed_at=missing_at, upstream_id=name)
        normalizer = context.normalizer(collection)
        return [normalizer.tombstone(name, observed_at=missing_at, parent_id=stored.parent_id)]
