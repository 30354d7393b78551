"""Deletions: which stored objects that a read did not return are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from stripe_sync.catalog import STRIPE_EVENTS, Collection, PreviewCall, Retrieval
from stripe_sync.extract.extractors.previews import PreviewExtractor
from stripe_sync.extract.extractors.source_objects import SourceObject, read_noted
from stripe_sync.records import Observation, StoredObject
from stripe_sync.sync.refetch import retrieve
from stripe_sync.sync.session import Session

UNLISTED_CHECK = timedelta(days=30)
"""Longest time between two requests for an object that exists although no list returns it."""

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
    was read; objects of deleted parents stay, but for previews. A missing object is deleted only if
    it cannot be retrieved either: closed reviews, detached payment methods and customers of test
    clocks exist, though lists leave them out.

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
        only_retrieved: Whether an object that cannot be retrieved by itself may exist, because what
            was read is not all.
    """

    def __init__(self, session: Session, *, only_retrieved: bool = False) -> None:
        self._session = session
        self._requester = session.context.requester
        self._only_retrieved = only_retrieved

    async def verify(
        self, collection: Collection, missing: Mapping[str, datetime]
    ) -> list[Observation]:
        """The current states of missing objects: tombstones for deleted ones.

        An object that Stripe refuses to return stays as it is stored.

        Args:
            collection: Their collection.
            missing: Their keys, and when a read did not return them.

        Raises:
            StripeError: An error that is not of a single object.
        """
        store, sync_id = self._session.warehouse, self._session.sync.id
        now = self._session.clock.now()
        # Nor are those that a reference led to, more often than once a month.
        recent = await asyncio.to_thread(
            store.missing.unlisted, sync_id, collection.id, list(missing), now - UNLISTED_CHECK
        )
        names = [name for name in missing if name not in recent]
        stored = await asyncio.to_thread(store.records.get, sync_id, collection.id, names)
        # Objects that no list returns are not retrieved each time.
        listed = {
            state.upstream_id: state
            for state in stored
            if not any(predicate.matches(state.payload) for predicate in collection.unlisted)
        }

        async def verify(name: str) -> list[Observation]:
            return await self._verify(collection, listed[name], missing[name])

        path = str(collection.retrieve)
        answers = await read_noted(self._session.context, path, list(listed), verify)
        found = [observation for each in answers for observation in each or ()]
        existing = [each.upstream_id for each in found if not each.deleted]
        await asyncio.to_thread(store.missing.retrieved, sync_id, collection.id, existing, now)
        return found

    async def verify_previews(
        self, collection: Collection, call: PreviewCall, keys: Sequence[str]
    ) -> list[Observation]:
        """Previews of objects that a read did not return, and their lines: computed once more.

        Those of objects whose records are deleted become tombstones without a request.

        Args:
            collection: Their collection.
            call: Its request.
            keys: Their keys, which are those of the objects that they are computed for.

        Raises:
            StripeError: An error that is not of a single object.
        """
        parents = await asyncio.to_thread(
            self._session.warehouse.records.rows,
            self._session.sync.id,
            [(call.parent, key) for key in keys],
        )
        now = self._session.clock.now()
        sources = []
        for key in keys:
            parent = parents.get((call.parent, key))
            deleted = parent is not None and parent.deleted
            sources.append(SourceObject({"id": key, "deleted": deleted}, now))
        extractor = PreviewExtractor(self._session.context, collection, call)
        return [observation for each in await extractor(sources) for observation in each]

    async def _verify(
        self, collection: Collection, stored: StoredObject, missing_at: datetime
    ) -> list[Observation]:
        context, name = self._session.context, stored.upstream_id
        if collection.retrieve_request(stored.payload) is not None:
            missing_at = self._session.clock.now()
            obj = await retrieve(self._requester, collection, stored.payload)
            if obj is not None and obj.get("object") != collection.object:
                reason = f"Stripe returned it for {name}"
                context.set_aside(collection, obj, reason, observed_at=missing_at)
                return []
            if obj is not None:
                return context.observe(collection, obj, observed_at=missing_at, upstream_id=name)
        elif self._only_retrieved:
            return []
        normalizer = context.normalizer(collection)
        return [normalizer.tombstone(name, observed_at=missing_at, parent_id=stored.parent_id)]
