"""What Stripe returned and cannot be stored as a record: its text is stored beside the records.

A later version of this code tries it again, when it begins to poll the sync.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from stripe_sync.catalog import STRIPE_EVENTS, Retrieval
from stripe_sync.extract.lists.usable_events import problem_of_event
from stripe_sync.records import Batch, Observation, Source, canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAside
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

log = logging.getLogger(__name__)

RETRIES = 1_000
"""Objects and Stripe events that are tried again at a time."""

Apply = Callable[[list[JsonObject]], Awaitable[None]]
"""Applies Stripe events, oldest first."""


@asynccontextmanager
async def taken(session: Session) -> AsyncIterator[list[SetAside]]:
    """What the block stores in its transaction; taken again later when the block fails.

    The texts are in the lake before the block begins.

    Raises:
        LakeError: The lake cannot be written.
    """
    objects = session.context.requester.set_aside
    has_rules = session.context.rules is not None
    found = objects.take(session.sensitive_fields, keep_text=not has_rules) if objects else []
    try:
        if found:
            found = await asyncio.to_thread(_write, session, found)
        yield found
    except BaseException:
        objects.put_back(found)
        raise
    for each in found:
        log.warning(
            "%s %s is set aside: %s", each.collection_id, each.upstream_id or each.key, each.reason
        )


def _write(session: Session, found: Sequence[SetAside]) -> list[SetAside]:
    """Write texts to the lake, but for those of erased objects; returns what was written.

    An erasure stores its ids before it looks for files: one that has not seen a file that was
    written meanwhile is seen afterwards.
    """
    to_store, sync_id = session.warehouse.erasures.texts_to_store, session.sync.id
    written = to_store(sync_id, found)
    session.lake.write_set_aside(written)
    kept = to_store(sync_id, written)
    session.lake.remove_set_aside([each for each in written if each not in kept])
    return kept


async def retry_set_aside(session: Session, writer: BatchWriter, apply: Apply) -> None:
    """Try again what another version of this code could not store.

    Objects of nested collections are left to the next read of their parents.

    Args:
        session: The open sync.
        writer: Writes to the warehouse.
        apply: Applies Stripe events.

    Raises:
        StripeSyncError: As of polling; what was not tried is tried the next time.
    """
    store, sync_id = session.warehouse.set_aside, session.sync.id
    await asyncio.to_thread(store.delete_stored, sync_id)
    found = await asyncio.to_thread(store.of_other_versions, sync_id, RETRIES)
    if not found:
        return
    events = [each for each in found if each.collection_id == STRIPE_EVENTS]
    objects = [each for each in found if each.collection_id != STRIPE_EVENTS]
    observations = _observe(session, objects)
    async with taken(session) as set_aside:
        batch = Batch(
            sync_id,
            session.sync.resource_id,
            Source.RECONCILE,
            observations,
            set_aside=set_aside,
            redact_stored=session.context.redact_stored,
        )
        await asyncio.to_thread(writer.load, batch)
    await apply(_usable_events(session, events))
    await asyncio.to_thread(store.delete_tried, sync_id, found)
    log.info("%s objects that were set aside are tried again", len(found))


def _observe(session: Session, objects: Sequence[SetAside]) -> list[Observation]:
    observations: list[Observation] = []
    for each in objects:
        if not session.sync.selects(each.collection_id):
            continue
        collection = session.catalog.get(each.collection_id)
        if collection and collection.retrieval is Retrieval.TOP_LEVEL_LIST:
            obj = canonical_json.loads(each.text or b"null")
            observations += session.context.observe(collection, obj, observed_at=each.observed_at)
    return observations


def _usable_events(session: Session, events: Sequence[SetAside]) -> list[JsonObject]:
    usable, stripe_events = [], session.catalog[STRIPE_EVENTS]
    for each in events:
        event = canonical_json.loads(each.text or b"null")
        if problem := problem_of_event(event):
            session.context.set_aside(stripe_events, event, problem, observed_at=each.observed_at)
        else:
            usable.append(event)
    return usable
