"""Which account a key is for: a sync stores one account in one mode.

The account's id is learnt once, from whatever the key may read, and stored with the sync. Whether a
key may read it says nothing about the account: where it cannot be read, the key has to return
objects that the sync has stored. A key that was checked within the last hour is not checked again,
by no process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from stripe_sync.catalog import Collection
from stripe_sync.client import (
    Credential,
    Priority,
    RequestKind,
    SharedBudget,
    SharedRateLimiter,
    StripeApi,
)
from stripe_sync.client.identity import fetch_identity
from stripe_sync.client.stripe_clock import StripeClock
from stripe_sync.clock import Clock
from stripe_sync.errors import (
    ConfigurationError,
    EndpointUnavailable,
    InvalidRequest,
    NotFound,
    PermissionDenied,
)
from stripe_sync.records import StoredObject, ids
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.connections import Connections
from stripe_sync.warehouse import Sync, Warehouse

log = logging.getLogger(__name__)

CHECK_EVERY = timedelta(hours=1)
"""How long a check of a key holds."""

_ACCOUNT_PATH = "/v1/account"
_UNKNOWN = "unknown:"
# Objects of these collections can be retrieved for ever.
_LASTING = ("customer", "charge", "payment_intent", "balance_transaction", "refund", "payout")
_SAMPLES_EACH = 2
_SAMPLES = 6


def key_fingerprint(credential: Credential) -> UUID:
    """Id of a key and the account that it acts on; the key cannot be computed from it."""
    text = f"{credential.api_base} {credential.account} {credential.api_key}"
    return ids.fingerprint(text.encode())


def unknown_account(credential: Credential) -> str:
    """What stands for the id of an account that cannot be read: another one for each key."""
    return credential.account or f"{_UNKNOWN}{key_fingerprint(credential).hex}"


def account_key(account_id: str, *, livemode: bool) -> str:
    """Account and mode: all syncs with the same one share a request budget."""
    return f"{account_id}:{'live' if livemode else 'test'}"


async def open_sync(
    connections: Connections,
    sync_name: str,
    *,
    warehouse: Warehouse,
    budget: SharedBudget,
    clock: Clock,
    stripe_clock: StripeClock,
    kind: RequestKind,
) -> Sync:
    """The sync, after a check that the key is for its account; created where it does not exist.

    The check's requests read Stripe's clock, too.

    Raises:
        AuthenticationError: Stripe refuses the key.
        ConfigurationError: The sync stores another account or mode.
        StripeError: Stripe cannot be reached.
        WarehouseError: The warehouse cannot be reached.
    """
    credential = connections.credential
    sync = await asyncio.to_thread(warehouse.syncs.find, sync_name)
    if sync is None or not _is_checked(sync, key_fingerprint(credential), clock.now()):
        check = _Check(connections, sync_name, warehouse, budget, clock, stripe_clock, kind)
        sync = await check.run(sync)
    else:
        stripe_clock.assume_ahead(sync.stripe_ahead)
    return await _ensure(warehouse, connections, sync_name, sync.account_id, sync.resource_id)


async def _ensure(
    warehouse: Warehouse, connections: Connections, name: str, account_id: str, resource_id: UUID
) -> Sync:
    return await asyncio.to_thread(
        warehouse.syncs.ensure,
        name,
        account_id=account_id,
        resource_id=resource_id,
        livemode=connections.credential.livemode,
        api_version=connections.settings.api_version,
        settings=connections.settings.model_dump(mode="json"),
    )


def _is_checked(sync: Sync, fingerprint: UUID, now: datetime) -> bool:
    if sync.key_fingerprint != fingerprint or sync.key_checked_at is None:
        return False
    return abs(now - sync.key_checked_at) < CHECK_EVERY


@dataclass(frozen=True, slots=True)
class _Check:
    """The check of one key."""

    connections: Connections
    sync_name: str
    warehouse: Warehouse
    budget: SharedBudget
    clock: Clock
    stripe_clock: StripeClock
    kind: RequestKind

    async def run(self, sync: Sync | None) -> Sync:
        """Check the key, and store the result with the sync."""
        credential = self.connections.credential
        begins = sync is None or not sync.is_account_learnt
        paced_as = unknown_account(credential) if sync is None or begins else sync.account_id
        async with self._api(paced_as) as api:
            identity = await fetch_identity(api, credential)
            account_id = identity.account
            if sync is None or begins:
                known = account_id or unknown_account(credential)
                sync = await self._begin(sync, known, paced_as)
            learnt = await self._account_to_store(api, sync, account_id)
        await asyncio.to_thread(
            self.warehouse.syncs.mark_checked,
            sync.id,
            account_id=learnt,
            account_name=identity.name,
            fingerprint=key_fingerprint(credential),
            at=self.clock.now(),
            stripe_ahead=self.stripe_clock.ahead or 0.0,
        )
        return replace(sync, account_id=learnt)

    async def _begin(self, sync: Sync | None, account_id: str, paced_as: str) -> Sync:
        """Create the sync, or store the account of one that was created without a request.

        Raises:
            ConfigurationError: The sync was created for the other mode.
        """
        livemode = self.connections.credential.livemode
        if sync and sync.livemode != livemode:
            raise self._other_account(sync, account_id)
        if account_id != paced_as:
            # The account was unknown when the request was sent: count it where it belongs.
            await self._rate_limiter(account_id).acquire(f"GET {_ACCOUNT_PATH}", Priority.LIVE)
        resource_id = ids.resource_id(account_id, livemode=livemode)
        if sync:
            learn = self.warehouse.syncs.learn_account
            return await asyncio.to_thread(learn, sync, account_id, resource_id)
        return await _ensure(
            self.warehouse, self.connections, self.sync_name, account_id, resource_id
        )

    async def _account_to_store(self, api: StripeApi, sync: Sync, account_id: str | None) -> str:
        """The id that the sync keeps or learns.

        Raises:
            ConfigurationError: The key is for another account or mode.
        """
        credential = self.connections.credential
        if sync.livemode != credential.livemode:
            raise self._other_account(sync, account_id)
        if account_id is not None:
            resource_id = ids.resource_id(account_id, livemode=sync.livemode)
            if account_id == sync.account_id or resource_id == sync.resource_id:
                return account_id
            if not sync.account_id.startswith(_UNKNOWN):
                raise self._other_account(sync, account_id)
        if sync.key_fingerprint == key_fingerprint(credential):
            return account_id or sync.account_id  # the last one to be checked was this very key
        if sync.key_fingerprint is None and sync.account_id == unknown_account(credential):
            return account_id or sync.account_id  # it is the first one
        owned = await self._owns_stored_objects(api, sync)
        if owned is False:
            raise self._other_account(sync, account_id)
        return account_id if account_id and owned else sync.account_id

    async def _owns_stored_objects(self, api: StripeApi, sync: Sync) -> bool | None:
        """Whether the key returns objects that the sync has stored.

        Returns:
            True also if nothing is stored; None if the key may read none of what is stored.
        """
        stored = missing = 0
        async for collection, record in self._samples(sync):
            stored += 1
            found = await _retrieve(api, collection, record.payload)
            if found is None:
                continue
            if _is_same(found, record.payload, livemode=sync.livemode):
                return True
            missing += 1
            if missing >= _SAMPLES:
                break
        if missing:
            return False
        return None if stored else True

    async def _samples(self, sync: Sync) -> AsyncIterator[tuple[Collection, StoredObject]]:
        catalog = self.connections.settings.catalog
        lasting = [catalog.resolve(name) for name in _LASTING]
        others = [each for each in catalog.values() if each not in lasting]
        for collection in [each for each in (*lasting, *others) if each.retrieve]:
            for record in await asyncio.to_thread(
                self.warehouse.records.page,
                sync.id,
                collection.id,
                after="",
                limit=_SAMPLES_EACH,
            ):
                yield collection, record

    def _api(self, account_id: str) -> StripeApi:
        return StripeApi(
            self.connections.credential,
            api_version=self.connections.settings.api_version,
            rate_limiter=self._rate_limiter(account_id),
            clock=self.clock,
            stripe_clock=self.stripe_clock,
        )

    def _rate_limiter(self, account_id: str) -> SharedRateLimiter:
        livemode = self.connections.credential.livemode
        key = account_key(account_id, livemode=livemode)
        limits = self.connections.settings.limits(livemode=livemode)
        return SharedRateLimiter(self.budget, key, limits, self.clock, kind=self.kind)

    def _other_account(self, sync: Sync, account_id: str | None) -> ConfigurationError:
        mode = {True: "live", False: "test"}
        key_mode = mode[self.connections.credential.livemode]
        message = (
            f"sync {sync.name!r} stores {_account_of(sync)} in {mode[sync.livemode]} mode,"
            f" but the key is for {account_id or 'another account'} in {key_mode} mode: use another"
            " sync name for it"
        )
        return ConfigurationError(message)


def _account_of(sync: Sync) -> str:
    return f"account {sync.account_id}" if sync.is_account_learnt else "an account"


async def _retrieve(
    api: StripeApi, collection: Collection, payload: Mapping[str, object]
) -> JsonObject | None:
    """An object as Stripe returns it to the key, empty if there is none; None if it is refused."""
    request = collection.retrieve_request(dict(payload))
    if request is None:
        return None
    template, path_params = request
    try:
        return await api.get(
            template, path_params, priority=Priority.LIVE, api_version=collection.api_version
        )
    except NotFound:
        return {}
    except (PermissionDenied, EndpointUnavailable, InvalidRequest) as error:
        log.info("Not compared with %s: %s", collection.name, error)
        return None


def _is_same(found: JsonObject, stored: Mapping[str, object], *, livemode: bool) -> bool:
    """Whether an object is the stored one: its id alone may be chosen by a user."""
    if found.get("id") != stored.get("id") or found.get("livemode", livemode) != livemode:
        return False
    return bool(found.get("deleted")) or found.get("created") == stored.get("created")
