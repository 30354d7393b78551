"""Reload: rebuild the warehouse from the lake, without any request to Stripe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from stripe_sync.catalog import Collection
from stripe_sync.client import NoRateLimit, StripeApi
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.errors import ConfigurationError, SyncBusy
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.lake import Lake, LakeReader
from stripe_sync.records import CollectionStatus, EventRow, RecordRow, ids
from stripe_sync.sync.account_check import unknown_account
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.poll.lease import LEASE_SECONDS
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.sync.session import Session, refuse_inactive
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.restoring.restorer import Restorer

log = logging.getLogger(__name__)

BATCH_ROWS = 2_000
"""Change events or records in one transaction."""

_LEASE_OWNER = "reload"


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """Result of the reload of one collection.

    Attributes:
        collection: Short name.
        status: done.
        events: Change events added; events already present are not counted.
        records: Records inserted or updated.
        objects: Change events and record states read from the lake.
        seconds: Duration.
    """

    collection: str
    status: str
    events: int
    records: int
    objects: int
    seconds: float


def plan_reload(
    connections: Connections, sync_name: str, collections: Sequence[str] | None = None
) -> list[str]:
    """Create the sync from the lake and list the collections that can be reloaded.

    The cutoff is the lake's oldest observation, so that polling misses nothing: Stripe events that
    were processed before are recognised by their ids.

    Args:
        connections: Warehouse and lake; only mode and account of the Stripe key are used.
        sync_name: The sync.
        collections: Names in any accepted spelling; None or empty for all.

    Returns:
        Short names of the collections that have files in the lake.

    Raises:
        ConfigurationError: The lake has no files of the sync, or those of another account.
        SyncBusy: The sync is being polled.
    """
    with _open(connections, sync_name) as (session, lake_reader):
        warehouse, sync, catalog = session.warehouse, session.sync, session.catalog
        asked = {catalog.resolve(name).name for name in collections or catalog}
        _take_lease(session)
        LakeFollower(session).flush()
        watermarks = lake_reader.watermarks()
        warehouse.streams.skip_to(sync.id, watermarks.position)
        warehouse.collections.skip_generations(
            sync.id,
            {
                collection.id: watermarks.generations[collection.name]
                for collection in catalog.values()
                if collection.name in watermarks.generations
            },
        )
        observed_at = lake_reader.first_observed()
        if observed_at is not None:
            warehouse.polls.set_cutoff(sync.id, to_unix(observed_at), at=observed_at)
        return [name for name in lake_reader.collections() if name in asked]


def reload_collection(
    connections: Connections,
    sync_name: str,
    collection: str,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> ReloadReport:
    """Reload one collection from the lake; rows already in the warehouse stay.

    After an interruption the next run adds the missing rows.

    Args:
        connections: Warehouse and lake.
        sync_name: The sync.
        collection: Name in any accepted spelling.
        progress: Called after each transaction.

    Raises:
        ConfigurationError: The lake has no files of the sync, or those of another account.
        SyncBusy: The sync is being polled, or the collection is being backfilled.
        StripeSyncError: Lake or warehouse failed; run it again.
    """
    with bulk_mode(), _open(connections, sync_name) as (session, lake_reader):
        warehouse, sync = session.warehouse, session.sync
        resolved = session.catalog.resolve(collection)
        tracker = ProgressTracker(resolved.name, session.clock)
        on_progress = progress or (lambda _: None)
        events = records = rows = 0
        with (
            warehouse.locks.backfill(sync.id, resolved.id),
            Restorer(
                connections.warehouse_url,
                sync.id,
                sync.resource_id,
                resolved.id,
                LakeFollower(session).flush,
            ) as restorer,
        ):
            stored_events = lake_reader.events(resolved.name)
            redact_event, redact_record = _redactions(session, resolved)
            while batch := list(islice(stored_events, BATCH_ROWS)):
                _take_lease(session)
                events += restorer.events([redact_event(each) for each in batch])
                rows += len(batch)
                on_progress(tracker.read(objects=rows, requests=0, percent=None))
            for states in lake_reader.records(resolved.name):
                _take_lease(session)
                newest = _newest_states(states)
                records += restorer.records([redact_record(each) for each in newest])
                rows += len(states)
                on_progress(tracker.read(objects=rows, requests=0, percent=None))
            _save_status(warehouse, sync, resolved.id, records)
        seconds = tracker.read(objects=rows, requests=0, percent=None).seconds
        return ReloadReport(resolved.name, "done", events, records, rows, round(seconds, 3))


def _redactions(
    session: Session, collection: Collection
) -> tuple[Callable[[EventRow], EventRow], Callable[[RecordRow], RecordRow]]:
    """What leaves out and hashes fields of rows that the lake has from before that was set."""
    if session.rules is None:
        return lambda event: event, lambda record: record
    normalizer = session.normalizer(collection)
    return normalizer.redact_event, normalizer.redact_record


def _newest_states(states: list[RecordRow]) -> list[RecordRow]:
    newest: dict[str, RecordRow] = {}
    for state in states:
        known = newest.get(state.upstream_id)
        if known is None or known.updated_idx < state.updated_idx:
            newest[state.upstream_id] = state
    return list(newest.values())


def _save_status(warehouse: Warehouse, sync: Sync, collection_id: str, records: int) -> None:
    """Set the status to done, unless a backfill of this warehouse has set one."""
    state = warehouse.collections.state(sync.id, collection_id)
    if state is None or (state.status is CollectionStatus.PENDING and not state.cursor and records):
        warehouse.collections.finish(
            sync.id,
            collection_id,
            CollectionStatus.DONE,
            "reloaded from the lake, up to its newest file",
            objects=records,
        )


def _take_lease(session: Session) -> None:
    """Hold the poll lease, shared by all reloads of a sync, so that no poller runs."""
    if not session.warehouse.polls.acquire_lease(
        session.sync.id, _LEASE_OWNER, seconds=LEASE_SECONDS
    ):
        message = f"sync {session.sync.name} is being polled: pause stripe_poll while it is rebuilt"
        raise SyncBusy(message)


@contextmanager
def _open(connections: Connections, sync_name: str) -> Iterator[tuple[Session, LakeReader]]:
    """Open the sync that the lake's files belong to; sends no request to Stripe."""
    lake = Lake(connections.lake_url, sync_name)
    lake_reader = LakeReader(lake)
    owner = lake_reader.owner()
    if owner is None:
        message = f"the lake has no files of sync {sync_name}: check the lake's URL and the name"
        raise ConfigurationError(message)
    if owner.sync_id != ids.sync_id(sync_name):
        message = f"the lake's folder {sync_name} belongs to a sync of another name"
        raise ConfigurationError(message)
    credential = connections.credential
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = _find_or_create(warehouse, connections, sync_name, owner.resource_id)
        connections = connections.of_sync(sync)
        settings = connections.settings
        if sync.resource_id != owner.resource_id:
            message = f"lake and warehouse hold different Stripe accounts under {sync_name!r}"
            raise ConfigurationError(message)
        api = StripeApi(credential, api_version=settings.api_version, rate_limiter=NoRateLimit())
        yield (
            Session(
                *(sync, settings, api, warehouse, lake, SystemClock(), settings.catalog),
                connections.field_rules(),
            ),
            lake_reader,
        )


def _find_or_create(
    warehouse: Warehouse, connections: Connections, sync_name: str, resource_id: UUID
) -> Sync:
    """The sync; one that has no account yet gets that of the lake's files.

    Raises:
        SyncConflict: It is being deleted.
    """
    credential, settings = connections.credential, connections.settings
    sync = warehouse.syncs.find(sync_name)
    if sync is None:
        return warehouse.syncs.ensure(
            sync_name,
            account_id=unknown_account(credential),
            resource_id=resource_id,
            livemode=credential.livemode,
            api_version=settings.api_version,
            settings=settings.model_dump(mode="json"),
        )
    if sync.status == "deleting":
        refuse_inactive(sync)
    if not sync.is_account_learnt:
        return warehouse.syncs.learn_account(sync, unknown_account(credential), resource_id)
    return sync
