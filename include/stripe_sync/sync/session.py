"""Everything that one sync needs, opened together and closed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from stripe_sync.catalog import Catalog, Collection
from stripe_sync.client import NoRateLimit, Priority, SharedBudget, SharedRateLimiter, StripeApi
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import ConfigurationError, PermissionDenied
from stripe_sync.extract.normalize import Normalizer, StripeEventNormalizer
from stripe_sync.lake import Lake
from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.warehouse import Sync, Warehouse

log = logging.getLogger(__name__)

STRIPE_EVENTS = "stripe:event"
"""The collection of Stripe events, which are records too."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open sync."""

    sync: Sync
    settings: SyncSettings
    api: StripeApi
    warehouse: Warehouse
    lake: Lake
    clock: Clock
    catalog: Catalog
    normalizers: dict[str, Normalizer] = field(default_factory=dict)

    def normalizer(self, collection: Collection) -> Normalizer:
        """A shaper for this sync's version and redaction; made once per collection."""
        if collection.id not in self.normalizers:
            self.normalizers[collection.id] = self._normalizer(collection)
        return self.normalizers[collection.id]

    async def stored_children(
        self, collection_id: str, parent_ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """Keys of the records of a collection that are not deleted, by the id of their parent."""
        return await asyncio.to_thread(
            self.warehouse.records.children, self.sync.id, collection_id, parent_ids
        )

    def _normalizer(self, collection: Collection) -> Normalizer:
        version = collection.api_version or self.settings.api_version
        redact = self.settings.redact
        if collection.id == STRIPE_EVENTS:
            return StripeEventNormalizer(
                self.catalog, collection, api_version=version, redact=redact
            )
        return Normalizer(collection, api_version=version, redact=redact)


@dataclass(frozen=True, slots=True)
class SharedResources:
    """What the sessions of one process share.

    Attributes:
        warehouse: With all migrations applied.
        budget: The request budgets of all accounts.
    """

    warehouse: Warehouse
    budget: SharedBudget


@asynccontextmanager
async def open_shared_resources(warehouse_url: str, clock: Clock) -> AsyncIterator[SharedResources]:
    """Open the warehouse and bring it up to date.

    Args:
        warehouse_url: ``postgresql://…``.
        clock: What the budget's times are told in.

    Raises:
        WarehouseError: The warehouse cannot be reached or changed.
    """
    budget = SharedBudget(warehouse_url, clock)
    try:
        with Warehouse(warehouse_url) as warehouse:
            await asyncio.to_thread(warehouse.upgrade)
            yield SharedResources(warehouse, budget)
    finally:
        await budget.aclose()


@asynccontextmanager
async def open_session(
    connections: Connections,
    sync_name: str,
    *,
    requests_per_second: float | None = None,
    clock: Clock | None = None,
    common: SharedResources | None = None,
) -> AsyncIterator[Session]:
    """Open a sync: bring the warehouse up to date, check the key, make the sync's row.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync_name: The sync.
        requests_per_second: Ceiling for this session's backfill instead of the sync's own.
        clock: The clock of everything in it.
        common: What it shares with other sessions, if anything.

    Raises:
        AuthenticationError: Stripe refuses the key.
        ConfigurationError: The sync belongs to another account or mode than the key.
        WarehouseError: The warehouse cannot be reached or changed.
        LakeError: The lake cannot be reached.
    """
    clock = clock or SystemClock()
    credential, settings = connections.credential, connections.settings
    lake = Lake(connections.lake_url, sync_name)
    async with AsyncExitStack() as stack:
        if common is None:
            common = await stack.enter_async_context(
                open_shared_resources(connections.warehouse_url, clock)
            )
        account_id = await _account_id(connections) or f"unknown:{sync_name}"
        livemode = credential.livemode
        sync = await asyncio.to_thread(
            common.warehouse.syncs.ensure,
            sync_name,
            account_id=account_id,
            resource_id=ids.resource_id(account_id, livemode=livemode),
            livemode=livemode,
            api_version=settings.api_version,
            settings=settings.model_dump(mode="json"),
        )
        _check_account(sync, account_id, livemode=livemode)
        rate_limiter = SharedRateLimiter(
            common.budget,
            f"{account_id}:{'live' if livemode else 'test'}",
            settings.limits(livemode=livemode, backfill=requests_per_second),
            clock,
        )
        api = await stack.enter_async_context(
            StripeApi(
                credential, api_version=settings.api_version, rate_limiter=rate_limiter, clock=clock
            )
        )
        yield Session(sync, settings, api, common.warehouse, lake, clock, settings.catalog)


async def _account_id(connections: Connections) -> str | None:
    """The account behind the key; None when the key may not ask."""
    async with StripeApi(
        connections.credential,
        api_version=connections.settings.api_version,
        rate_limiter=NoRateLimit(),
    ) as api:
        try:
            return str((await api.get("/v1/account", priority=Priority.LIVE))["id"])
        except PermissionDenied:
            return None


def _check_account(sync: Sync, account_id: str, *, livemode: bool) -> None:
    if sync.resource_id == ids.resource_id(account_id, livemode=livemode):
        return
    mode = {True: "live", False: "test"}
    message = (
        f"sync {sync.name!r} holds account {sync.account_id} in {mode[sync.livemode]} mode, but the"
        f" key is for {account_id} in {mode[livemode]} mode: use another sync name for it"
    )
    raise ConfigurationError(message)
