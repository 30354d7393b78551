"""A session: everything that one sync needs, opened and closed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from stripe_sync.catalog import Catalog, Collection, Evidence
from stripe_sync.client import RequestKind, SharedBudget, SharedRateLimiter, StripeApi
from stripe_sync.client.stripe_clock import StripeClock
from stripe_sync.clock import Clock, SystemClock, WarehouseClock
from stripe_sync.errors import ConfigurationError, SyncConflict, SyncNotFound
from stripe_sync.extract.context import ReadContext
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.extract.reader import CollectionReader
from stripe_sync.extract.requester import Requester
from stripe_sync.lake import Lake, LakeReader
from stripe_sync.records import Condition, MissingObject, StoredObject
from stripe_sync.records.redaction import FieldRules
from stripe_sync.sync.account_check import account_key, open_sync
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.warehouse import Sync, Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WarehouseRecords:
    """The stored records of one sync, for those who read from Stripe (``StoredRecords``)."""

    warehouse: Warehouse
    sync: Sync

    async def page(
        self,
        collection_id: str,
        after: str,
        limit: int,
        fields: Sequence[str] = (),
        condition: Condition | None = None,
    ) -> list[StoredObject]:
        """The next records of a collection."""
        return await asyncio.to_thread(
            self.warehouse.records.page,
            self.sync.id,
            collection_id,
            after=after,
            limit=limit,
            fields=fields,
            condition=condition,
        )

    async def count(self, collection_id: str, condition: Condition | None = None) -> int:
        """Number of records that meet a condition."""
        count = self.warehouse.records.count
        return await asyncio.to_thread(count, self.sync.id, collection_id, condition)

    async def existing(self, collection_id: str, upstream_ids: Sequence[str]) -> set[str]:
        """Those of some keys that have a record."""
        existing = self.warehouse.records.existing
        return await asyncio.to_thread(existing, self.sync.id, collection_id, upstream_ids)

    async def children(
        self, collection_id: str, parent_ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """Keys of the records of a collection, by the id of their parent."""
        children = self.warehouse.records.children
        return await asyncio.to_thread(children, self.sync.id, collection_id, parent_ids)

    async def parents(self, collection_id: str, parent_ids: Sequence[str]) -> set[str]:
        """Those of some parents that have a record of a collection."""
        parents = self.warehouse.records.parents
        return await asyncio.to_thread(parents, self.sync.id, collection_id, parent_ids)

    async def is_complete(self, collection_id: str) -> bool:
        """Whether every object of a collection, however old, is stored and kept up to date."""
        if not self.sync.selects(collection_id):
            return False
        find = self.warehouse.collections.state
        state = await asyncio.to_thread(find, self.sync.id, collection_id)
        if state is None or not state.status.is_complete:
            return False
        return (state.cursor or {}).get("bound") is None

    async def unreadable(self) -> set[str]:
        """Ids of the collections that cannot be read."""
        states = await asyncio.to_thread(self.warehouse.collections.states, self.sync.name)
        return {state.collection_id for state in states if state.status.is_closed}

    async def named_by(self, evidence: Evidence) -> set[str]:
        """Ids of the objects that some evidence exists for."""
        named_by = self.warehouse.records.named_by
        return await asyncio.to_thread(
            named_by,
            self.sync.id,
            evidence.collection,
            evidence.parent,
            fields=evidence.fields,
            values=evidence.values,
        )

    async def synced(self) -> dict[str, int | None]:
        """Ids of the complete collections, with the time of their oldest objects."""
        states = await asyncio.to_thread(self.warehouse.collections.states, self.sync.name)
        return {
            state.collection_id: (state.cursor or {}).get("bound")
            for state in states
            if state.status.is_complete
        }

    async def unknown(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of some keys without a record and not known to be gone."""
        return await asyncio.to_thread(self.warehouse.missing.unknown, self.sync.id, keys)

    async def mark(self, missing: MissingObject, at: datetime, gone: str | None) -> None:
        """Remember what became of a missing object."""
        mark = self.warehouse.missing.mark
        await asyncio.to_thread(mark, self.sync.id, [missing], at, gone=gone)


@dataclass(frozen=True)
class Session:
    """An open sync.

    Attributes:
        sync: Its row in the warehouse.
        settings: Its settings.
        api: The client of its account.
        warehouse: The warehouse.
        lake: Its part of the lake.
        clock: The warehouse's clock.
        catalog: Its collections.
        rules: Fields that are left out or hashed; None for none.
    """

    sync: Sync
    settings: SyncSettings
    api: StripeApi
    warehouse: Warehouse
    lake: Lake
    clock: Clock
    catalog: Catalog
    rules: FieldRules | None = None

    @cached_property
    def sensitive_fields(self) -> frozenset[str]:
        """Names of the fields that are redacted, wherever an object has them."""
        if not self.settings.redact:
            return frozenset()
        paths = (path for each in self.catalog.values() for path in each.sensitive)
        return frozenset(path.rpartition(".")[2] for path in paths)

    @cached_property
    def context(self) -> ReadContext:
        """The sync, from the side of those who read from Stripe."""
        return ReadContext(
            Requester(self.api, self.clock),
            self.catalog,
            api_version=self.settings.api_version,
            redact=self.settings.redact,
            livemode=self.sync.livemode,
            stored=WarehouseRecords(self.warehouse, self.sync),
            every_parent=self.settings.read_every_parent,
            selected=self.sync.selects,
            rules=self.rules,
        )

    def resolve(self, name: str) -> Collection:
        """One of the sync's collections, by any accepted spelling of its name.

        Raises:
            ConfigurationError: There is no such collection, or the sync does not have it.
        """
        return resolve_selected(self.catalog, self.sync, name)

    def stripe_ahead(self) -> timedelta:
        """How far Stripe's clock is ahead of the warehouse's, or a little more, never less."""
        stripe_now = self.api.stripe_clock.latest()
        return timedelta(seconds=stripe_now - self.clock.now().timestamp())

    def reader(self, collection: Collection) -> CollectionReader:
        """Reads a collection with the priority of backfills."""
        return CollectionReader(collection, self.context)

    def normalizer(self, collection: Collection) -> Normalizer:
        """The normalizer of a collection, created once."""
        return self.context.normalizer(collection)


def resolve_selected(catalog: Catalog, sync: Sync | None, name: str) -> Collection:
    """A collection that a sync has; a sync that does not exist yet has all.

    Raises:
        ConfigurationError: There is no such collection, or the sync does not have it.
    """
    collection = catalog.resolve(name)
    if sync and not sync.selects(collection.id):
        message = (
            f"{collection.name} is not one of the collections of sync {sync.name}: add it with"
            f" stripe-sync syncs update {sync.name} --add {collection.name}"
        )
        raise ConfigurationError(message, param="collections")
    return collection


def refuse_inactive(sync: Sync) -> None:
    """Refuse to send requests for a sync that is paused, disconnected or being deleted.

    Raises:
        SyncConflict: It is; the message names the remedy.
    """
    if sync.status == "paused":
        message = f"sync {sync.name} is paused: resume it with stripe-sync syncs resume {sync.name}"
        raise SyncConflict(message)
    if sync.status == "disconnected":
        message = (
            f"sync {sync.name} is disconnected: Stripe gave its key no access to the account; once"
            f" it has access, resume it with stripe-sync syncs resume {sync.name}"
        )
        raise SyncConflict(message)
    if sync.status == "deleting":
        message = (
            f"sync {sync.name} is being deleted: finish with stripe-sync syncs delete {sync.name}"
        )
        raise SyncConflict(message)


@dataclass(frozen=True, slots=True)
class SharedResources:
    """Resources that the sessions of one process share.

    Attributes:
        warehouse: With all migrations applied.
        budget: The rate limits of all accounts.
        clock: The warehouse's clock.
    """

    warehouse: Warehouse
    budget: SharedBudget
    clock: WarehouseClock


@asynccontextmanager
async def open_shared_resources(
    warehouse_url: str, clock: Clock, *, kept_open: int = 2
) -> AsyncIterator[SharedResources]:
    """Open the warehouse and apply its migrations.

    Args:
        warehouse_url: ``postgresql://…``.
        clock: Counts the seconds.
        kept_open: Number of unused connections that stay open.

    Raises:
        WarehouseError: The warehouse cannot be reached or changed.
    """
    budget = SharedBudget(warehouse_url, clock)
    try:
        with Warehouse(warehouse_url, kept_open=kept_open) as warehouse:
            await asyncio.to_thread(warehouse.upgrade)
            await budget.read_clock()
            yield SharedResources(warehouse, budget, WarehouseClock(clock, budget.server_clock))
    finally:
        await budget.aclose()


@asynccontextmanager
async def open_session(
    connections: Connections,
    sync_name: str,
    *,
    kind: RequestKind = RequestKind.POLL,
    requests_per_second: float | None = None,
    clock: Clock | None = None,
    common: SharedResources | None = None,
    create: bool = True,
) -> AsyncIterator[Session]:
    """Open a sync: apply migrations, check the key, create the sync where it does not exist.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync.
        kind: What its requests are counted as.
        requests_per_second: Largest rate of this session's backfill instead of the sync's own.
        clock: Counts the seconds; what time it is, the warehouse's clock shows.
        common: Resources that it shares with other sessions, None for its own.
        create: Whether a sync that does not exist is created; else it is an error.

    Raises:
        SyncNotFound: There is no such sync, and none is to be created.
        AuthenticationError: Stripe refuses the key.
        AccountDisconnected: The key has no access to the connected account.
        SyncConflict: The sync is paused, disconnected or being deleted.
        ConfigurationError: The sync belongs to another account or mode than the key, or there is
            data of it that the warehouse's state does not know.
        WarehouseError: The warehouse cannot be reached or changed.
        LakeError: The lake cannot be reached.
    """
    clock = clock or SystemClock()
    lake = Lake(connections.lake_url, sync_name)
    async with AsyncExitStack() as stack:
        if common is None:
            common = await stack.enter_async_context(
                open_shared_resources(connections.warehouse_url, clock)
            )
        stored = await asyncio.to_thread(_find_sync, common.warehouse, lake, sync_name)
        if stored is None and not create:
            message = f"there is no sync {sync_name}"
            raise SyncNotFound(message)
        connections = connections.of_sync(stored)
        rules = connections.field_rules()
        credential, settings = connections.credential, connections.settings
        stripe_clock = StripeClock(common.clock)
        sync = await open_sync(
            connections,
            sync_name,
            warehouse=common.warehouse,
            budget=common.budget,
            clock=common.clock,
            stripe_clock=stripe_clock,
            kind=kind,
        )
        rate_limiter = SharedRateLimiter(
            common.budget,
            account_key(sync.account_id, livemode=sync.livemode),
            settings.limits(livemode=sync.livemode, backfill=requests_per_second),
            clock,
            kind=kind,
        )
        api = await stack.enter_async_context(
            StripeApi(
                credential,
                api_version=settings.api_version,
                rate_limiter=rate_limiter,
                clock=common.clock,
                stripe_clock=stripe_clock,
            )
        )
        warehouse, catalog = common.warehouse, settings.catalog
        yield Session(sync, settings, api, warehouse, lake, common.clock, catalog, rules)


def _find_sync(warehouse: Warehouse, lake: Lake, sync_name: str) -> Sync | None:
    """The sync, if it may run; None where it is to be created.

    A sync that begins must not have a history already: the second one would number the versions of
    each record from 1 again, and its change events would have the ids of others.

    Raises:
        SyncConflict: It is paused, disconnected or being deleted.
        ConfigurationError: It begins, and warehouse or lake have data of it.
    """
    sync = warehouse.syncs.find(sync_name)
    if sync:
        refuse_inactive(sync)
    if sync is None or not sync.is_account_learnt:
        refuse_history(warehouse, lake, sync_name)
    return sync


def refuse_history(warehouse: Warehouse, lake: Lake | None, sync_name: str) -> None:
    """Refuse to begin a sync that has data, from another warehouse or from before its deletion.

    Args:
        warehouse: The warehouse.
        lake: The lake; None if only the warehouse is to be looked at.
        sync_name: The sync.

    Raises:
        SyncConflict: There is data; the message names the remedies.
    """
    remedy = (
        "rebuild the sync from the lake with the DAG stripe_reload, delete the data with"
        f" stripe-sync syncs delete {sync_name} --drop-data, or choose another name"
    )
    if lake is not None and LakeReader(lake).collections():
        folder = lake.location[1]
        message = (
            f"the lake has files of sync {sync_name} in {folder}, but the warehouse does not know "
            f"this sync: {remedy}, or another lake"
        )
        raise SyncConflict(message)
    if warehouse.syncs.has_rows(sync_name):
        message = f"the warehouse has data of a deleted sync named {sync_name}: {remedy}"
        raise SyncConflict(message)
