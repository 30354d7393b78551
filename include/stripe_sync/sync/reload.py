"""Reload: rebuild the warehouse from the lake, without asking Stripe for anything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from stripe_sync.client import NoRateLimit, StripeApi
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.errors import ConfigurationError, SyncBusy
from stripe_sync.gc_tuning import bulk_mode
from stripe_sync.lake import Lake, LakeReader
from stripe_sync.records import RecordRow, ids
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.poll.lease import LEASE_SECONDS
from stripe_sync.sync.progress import Progress, ProgressTracker
from stripe_sync.sync.session import Session
from stripe_sync.warehouse import Sync, Warehouse
from stripe_sync.warehouse.restoring.restorer import Restorer

log = logging.getLogger(__name__)

BATCH_ROWS = 2_000
"""Change events or records that a transaction puts back."""

_OWNER = "reload"


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What the reload of one collection did.

    Attributes:
        collection: Short name.
        status: done.
        events: Change events added; those that were there are not counted.
        records: Records made or brought forward.
        objects: Change events and record states that the lake holds.
        seconds: How long it took.
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
    """Make the sync as the lake knows it and say which collections can be put back.

    Polling starts where the lake's oldest observation was made, so that nothing is missed: what
    was applied already is known by its Stripe event.

    Args:
        connections: Warehouse and lake; of Stripe only the mode and account of the key are used.
        sync_name: The sync.
        collections: Names in any accepted spelling; None or empty for all.

    Returns:
        Short names of the collections that the lake holds.

    Raises:
        ConfigurationError: The lake holds nothing of the sync, or another account's data.
        SyncBusy: The sync is being polled.
    """
    catalog = connections.settings.catalog
    asked = {catalog.resolve(name).name for name in collections or catalog}
    with _opened(connections, sync_name) as (session, history):
        warehouse, sync = session.warehouse, session.sync
        _hold(session)
        LakeFollower(session).flush()
        numbering = history.numbering()
        warehouse.numbering.skip_positions(sync.id, numbering.position)
        warehouse.numbering.skip_generations(
            sync.id,
            {
                row.id: numbering.generations[row.name]
                for row in catalog.values()
                if row.name in numbering.generations
            },
        )
        first = history.first_observed()
        if first is not None:
            warehouse.polls.set_cutoff(sync.id, to_unix(first), at=first)
        return [name for name in history.collections() if name in asked]


def reload_collection(
    connections: Connections,
    sync_name: str,
    collection: str,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> ReloadReport:
    """Put back what the lake holds of one collection; what is there already stays.

    Interrupted, it goes on with what is missing when it is run again.

    Args:
        connections: Warehouse and lake.
        sync_name: The sync.
        collection: Name in any accepted spelling.
        progress: Called after each transaction.

    Raises:
        ConfigurationError: The lake holds nothing of the sync, or another account's data.
        SyncBusy: The sync is being polled, or the collection is being backfilled.
        StripeSyncError: Lake or warehouse failed; run it again.
    """
    row = connections.settings.catalog.resolve(collection)
    with bulk_mode(), _opened(connections, sync_name) as (session, history):
        warehouse, sync = session.warehouse, session.sync
        meter = ProgressTracker(row.name, session.clock)
        told = progress or (lambda _: None)
        events = records = seen = 0
        with (
            warehouse.locks.backfill(sync.id, row.id),
            Restorer(
                connections.warehouse_url,
                sync.id,
                sync.resource_id,
                row.id,
                LakeFollower(session).flush,
            ) as restorer,
        ):
            stored = history.events(row.name)
            while some := list(islice(stored, BATCH_ROWS)):
                _hold(session)
                events += restorer.events(some)
                seen += len(some)
                told(meter.read(objects=seen, requests=0, percent=None))
            for states in history.records(row.name):
                _hold(session)
                records += restorer.records(_newest(states))
                seen += len(states)
                told(meter.read(objects=seen, requests=0, percent=None))
            _note(warehouse, sync, row.id, records)
        seconds = meter.read(objects=seen, requests=0, percent=None).seconds
        return ReloadReport(row.name, "done", events, records, seen, round(seconds, 3))


def _newest(states: list[RecordRow]) -> list[RecordRow]:
    newest: dict[str, RecordRow] = {}
    for state in states:
        held = newest.get(state.upstream_id)
        if held is None or held.updated_idx < state.updated_idx:
            newest[state.upstream_id] = state
    return list(newest.values())


def _note(warehouse: Warehouse, sync: Sync, collection_id: str, records: int) -> None:
    """Say in the status where the data is from, unless a backfill of this warehouse says more."""
    state = warehouse.collections.state(sync.id, collection_id)
    if state is None or (state.status == "pending" and not state.position and records):
        warehouse.collections.finish(
            sync.id,
            collection_id,
            "done",
            "reloaded from the lake, as of its newest file",
            objects=records,
        )


def _hold(session: Session) -> None:
    """Keep pollers away, all reloads of a sync together."""
    if not session.warehouse.polls.acquire_lease(session.sync.id, _OWNER, seconds=LEASE_SECONDS):
        message = f"sync {session.sync.name} is being polled: pause stripe_poll while it is rebuilt"
        raise SyncBusy(message)


@contextmanager
def _opened(connections: Connections, sync_name: str) -> Iterator[tuple[Session, LakeReader]]:
    """The sync as the lake knows it; Stripe is not asked."""
    lake = Lake(connections.lake_url, sync_name)
    history = LakeReader(lake)
    owner = history.owner()
    if owner is None:
        message = f"the lake holds nothing of sync {sync_name}: check the lake's URL and the name"
        raise ConfigurationError(message)
    if owner.sync_id != ids.sync_id(sync_name):
        message = f"the lake's folder {sync_name} holds the data of a sync of another name"
        raise ConfigurationError(message)
    credential, settings = connections.credential, connections.settings
    with Warehouse(connections.warehouse_url) as warehouse:
        warehouse.upgrade()
        sync = warehouse.syncs.find(sync_name) or warehouse.syncs.ensure(
            sync_name,
            account_id=credential.account or f"unknown:{sync_name}",
            resource_id=owner.resource_id,
            livemode=credential.livemode,
            api_version=settings.api_version,
            settings=settings.model_dump(mode="json"),
        )
        if sync.resource_id != owner.resource_id:
            message = f"lake and warehouse hold different Stripe accounts under {sync_name!r}"
            raise ConfigurationError(message)
        api = StripeApi(credential, api_version=settings.api_version, rate_limiter=NoRateLimit())
        yield (
            Session(sync, settings, api, warehouse, lake, SystemClock(), settings.catalog),
            history,
        )
