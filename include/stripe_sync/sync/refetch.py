"""Load what a list returned beside polling: each change once, and no older state over a newer one.

A list shows a change at once, its Stripe event comes a moment later: loaded before it, the change
would have two change events. So a batch that differs from its records waits until the sync was
polled after the batch was read.

Where a poller stored a change meanwhile, the two requests may have overlapped, and nothing shows
which of the two states is the newer one: the object is fetched again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from stripe_sync.catalog import Collection as StripeCollection
from stripe_sync.errors import ConcurrentUpdate, InvalidRequest, MalformedObject, NotFound
from stripe_sync.extract.lists.complete_lists import complete_lists
from stripe_sync.extract.refusals import REFUSED
from stripe_sync.extract.requester import Requester
from stripe_sync.records import Batch, LoadResult, Observation
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.session import Session

log = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 30.0
"""Longest wait for a poll: a poller that holds its lease polls every half second."""

_CHECK_SECONDS = 0.5

REFETCHES = 2
"""Times that doubtful states are fetched again for one batch; then they are left out."""


async def retrieve(
    requester: Requester, collection: StripeCollection, obj: JsonObject
) -> JsonObject | None:
    """Retrieve one object by its own endpoint, with complete lists.

    Args:
        requester: Sends the requests.
        collection: Its collection.
        obj: The object, or the fields that its retrieve request needs.

    Returns:
        The object; None where it is gone, or where the collection has no such endpoint.

    Raises:
        StripeError: As the client raises it.
    """
    request = collection.retrieve_request(obj)
    if request is None:
        return None
    expand = {"expand": list(collection.expand)} if collection.expand else None
    version = collection.api_version
    try:
        found = await requester.get(*request, expand, api_version=version)
    except NotFound:
        return None
    if found.get("deleted"):
        return None
    try:
        await complete_lists(requester, [found], version, expand=collection.expand)
    except MalformedObject as error:
        raise InvalidRequest(str(error)) from error
    return found


async def load_certain(
    session: Session, load: Callable[[Batch], LoadResult], batch: Batch
) -> LoadResult:
    """Load what a list returned, after the Stripe events of its changes.

    What may be older than the stored state is fetched again.

    Args:
        session: The open sync.
        load: Loads a batch; called in a thread.
        batch: What was read.

    Raises:
        StripeError: As the client raises it.
        WarehouseError: As ``load`` raises it.
    """
    await _wait_for_events(session, batch)
    for _ in range(REFETCHES):
        try:
            return await asyncio.to_thread(load, replace(batch, refetch=True))
        except ConcurrentUpdate as error:
            log.info("Fetching again: %s", error)
            batch = replace(batch, observations=await _refetched(session, batch, error.keys))
    return await asyncio.to_thread(load, batch)


async def _wait_for_events(session: Session, batch: Batch) -> None:
    """Wait for a poll if a state differs from its record; not where nobody polls the sync."""
    warehouse, sync_id, clock = session.warehouse, session.sync.id, session.clock
    read_at, end = clock.now(), clock.monotonic() + MAX_WAIT_SECONDS

    async def may_load() -> bool:
        polled_at = await asyncio.to_thread(warehouse.polls.being_polled, sync_id)
        return polled_at is None or polled_at > read_at

    if await may_load():
        return
    states = {(o.collection_id, o.upstream_id): o.payload_hash for o in batch.observations}
    stored = await asyncio.to_thread(warehouse.records.hashes, sync_id, states)
    if all(states[key] == payload_hash for key, payload_hash in stored.items()):
        return
    while clock.monotonic() < end and not await may_load():
        await clock.sleep(_CHECK_SECONDS)


async def _refetched(
    session: Session, batch: Batch, keys: Collection[tuple[str, str]]
) -> list[Observation]:
    """The observations of a batch, those of ``keys`` as Stripe returns them now.

    Gone ones are left out, for the deletion to be found as others are, and those that cannot be
    retrieved: they are read again with their parents when those change. So are refused ones: the
    stored state stays.
    """
    requester, doubtful = session.context.requester, set(keys)

    async def current(observation: Observation) -> list[Observation]:
        if (observation.collection_id, observation.upstream_id) not in doubtful:
            return [observation]
        collection = session.catalog[observation.collection_id]
        observed_at = session.clock.now()
        try:
            found = await retrieve(requester, collection, observation.payload)
        except REFUSED as error:
            path = str(collection.retrieve)
            requester.refusals.add_object(path, error, observation.upstream_id)
            return []
        if found is None:
            return []
        return session.context.observe(
            collection, found, observed_at=observed_at, upstream_id=observation.upstream_id
        )

    found = await asyncio.gather(*(current(each) for each in batch.observations))
    return [observation for each in found for observation in each]
