"""What Stripe no longer shows: whether that means anything, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from stripe_sync.catalog import Collection, Retrieval
from stripe_sync.errors import NotFound
from stripe_sync.extract.pages import complete_lists
from stripe_sync.extract.source_objects import Requester
from stripe_sync.records import Observation
from stripe_sync.sync.session import STRIPE_EVENTS, Session
from stripe_sync.warehouse.state.reconciles import StoredState

_NO_LIST = {
    Retrieval.EMBEDDED: "what no other object holds any more may still exist",
    Retrieval.EXPANDED: "what no other object names any more may still exist",
    Retrieval.RETRIEVE_ONLY: "what no other object names any more may still exist",
    Retrieval.EVENT_ONLY: "only Stripe events show it, and Stripe keeps those for 30 days",
    Retrieval.CREATE_ONLY: "Stripe shows it once, in the answer to its creation",
}


def why_deletes_unknown(
    row: Collection, *, window: timedelta | None, bound: int | None
) -> str | None:
    """Why a reading says nothing of what it does not show; None where it does.

    Lists below a parent and previews say it for each parent that was asked; those of a parent that
    is gone say nothing, so what is stored below it stays. A collection's own lists say it for the
    whole. Not even then is an object gone where it can be retrieved: a closed review, a detached
    payment method and a customer of a test clock all exist though lists leave them out.

    Args:
        row: The collection.
        window: How far back the reading looked; None for all the way.
        bound: Unix seconds; the sync leaves out what was created earlier. None for nothing.
    """
    if window is not None:
        return "a window shows only what was created in it"
    if bound is not None:
        return "this sync holds only what was created lately"
    if row.id == STRIPE_EVENTS:
        return "Stripe keeps its events for 30 days"
    return _NO_LIST.get(row.retrieval)


class MissingObjectCheck:
    """Asks for objects that are stored but were not shown.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._requester = Requester(session.api, session.clock)

    async def ask(self, row: Collection, missing: Mapping[str, datetime]) -> list[Observation]:
        """What became of some objects.

        Args:
            row: Their collection.
            missing: Their keys, and when Stripe did not show them.

        Raises:
            StripeError: As the client raises it.
        """
        stored = await asyncio.to_thread(
            self._session.warehouse.reconciles.stored_states,
            self._session.sync.id,
            row.id,
            list(missing),
        )
        # What is expected to be out of every list need not be asked for each time.
        worth = [s for s in stored if not any(rule.applies(s.payload) for rule in row.unlisted)]
        asking = (self._ask(row, state, missing[state.upstream_id]) for state in worth)
        return list(await asyncio.gather(*asking))

    async def _ask(self, row: Collection, stored: StoredState, at: datetime) -> Observation:
        normalizer, name = self._session.normalizer(row), stored.upstream_id
        retrieve_request = row.retrieve_request(stored.payload)
        if retrieve_request is not None:
            at = self._session.clock.now()
            expand = {"expand": list(row.expand)} if row.expand else None
            try:
                obj = await self._requester.get(*retrieve_request, expand, row.api_version)
            except NotFound:
                obj = {"deleted": True}
            if not obj.get("deleted"):
                await complete_lists(
                    self._requester.api, [obj], self._requester.priority, row.api_version
                )
                return normalizer.normalize(obj, observed_at=at, upstream_id=name)
        return normalizer.tombstone(name, observed_at=at, parent_id=stored.parent_id)
