"""Checks a key: whose it is, and what it may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from stripe_sync.accounts.credentials.health import CredentialHealth, HealthStatus
from stripe_sync.accounts.credentials.probe import probe
from stripe_sync.client import (
    Credential,
    PacingLimits,
    Priority,
    RateLimiter,
    RetryPolicy,
    SharedBudget,
    SharedRateLimiter,
    StripeApi,
    Timeouts,
)
from stripe_sync.client.identity import Identity, fetch_identity
from stripe_sync.client.rate_limit.local import LocalRateLimiter
from stripe_sync.clock import SystemClock
from stripe_sync.errors import (
    AccountDisconnected,
    AuthenticationError,
    PermissionDenied,
    StripeError,
    WarehouseError,
)
from stripe_sync.sync.account_check import account_key, unknown_account
from stripe_sync.sync.connections import SyncSettings

_RETRY = RetryPolicy(attempts=2, first_wait=0.2, total=2, timeouts=Timeouts(connect=2.0, total=3.0))
_BUDGET_SECONDS = 2.0
_SHARE_ALONE = 0.8
"""Part of the account's limit for a probe that does not know what others use."""
_REFUSED = (AuthenticationError, PermissionDenied, AccountDisconnected)

_ALONE = "The warehouse cannot be asked for the shared request budget; the probe was paced alone."


def check_credential(
    credential: Credential,
    settings: SyncSettings | None = None,
    *,
    warehouse_url: str | None = None,
) -> CredentialHealth:
    """Find out whose a key is and which collections it may read and write.

    About 120 requests for objects that do not exist: nothing is downloaded, created or changed. It
    takes about 6 seconds in test mode and 2 in live mode, and 16 at most.

    Args:
        credential: The key.
        settings: Those of the sync: its version, limits and collections; None for the defaults.
        warehouse_url: The warehouse whose processes share the request budget; None to pace alone.

    Returns:
        Also for a key that Stripe refuses, and where Stripe cannot be reached: ``notes`` say why.

    Raises:
        ConfigurationError: Proxy or certificate authorities cannot be used, or the warehouse's URL.
        WarehouseError: The warehouse was lost during the probe.

    Example:
        >>> from stripe_sync import check_credential
        >>> check_credential(connections.credential).status
        <HealthStatus.OK: 'ok'>
    """
    return asyncio.run(_check(credential, settings or SyncSettings(), warehouse_url))


def identify_credential(
    credential: Credential,
    settings: SyncSettings | None = None,
    *,
    warehouse_url: str | None = None,
) -> Identity:
    """Find out whose a key is: one to three requests.

    Args:
        credential: The key.
        settings: Those of the sync; None for the defaults.
        warehouse_url: The warehouse whose processes share the request budget; None to pace alone.

    Raises:
        AuthenticationError: Stripe refuses the key.
        PermissionDenied: The key has no access to the connected account.
        StripeError: Stripe cannot be reached.
        ConfigurationError: Proxy or certificate authorities cannot be used.
    """
    return asyncio.run(_identify(credential, settings or SyncSettings(), warehouse_url))


async def _identify(
    credential: Credential, settings: SyncSettings, warehouse_url: str | None
) -> Identity:
    async with _api(credential, settings, _alone(credential, settings)) as api:
        identity = await fetch_identity(api, credential)
    account = identity.account or unknown_account(credential)
    async with _shared(credential, settings, account, warehouse_url) as shared:
        if shared:
            await shared.aclose()
    return identity


async def _check(
    credential: Credential, settings: SyncSettings, warehouse_url: str | None
) -> CredentialHealth:
    limiter = _alone(credential, settings)
    try:
        async with _api(credential, settings, limiter) as api:
            identity = await fetch_identity(api, credential)
        return await _probe(credential, settings, identity, limiter, warehouse_url)
    except StripeError as error:
        refused = isinstance(error, _REFUSED)
        return CredentialHealth(
            HealthStatus.REFUSED if refused else HealthStatus.UNKNOWN,
            SystemClock().now(),
            credential.livemode,
            error.account,
            notes=(str(error),),
        )


async def _probe(
    credential: Credential,
    settings: SyncSettings,
    identity: Identity,
    alone: RateLimiter,
    warehouse_url: str | None,
) -> CredentialHealth:
    account = identity.account or unknown_account(credential)
    async with (
        _shared(credential, settings, account, warehouse_url) as shared,
        _api(credential, settings, shared or alone) as api,
    ):
        health = await probe(
            api, credential, settings.catalog, identity, api_version=settings.api_version
        )
    if warehouse_url and shared is None:
        return replace(health, notes=(*health.notes, _ALONE))
    return health


@asynccontextmanager
async def _shared(
    credential: Credential, settings: SyncSettings, account: str, warehouse_url: str | None
) -> AsyncIterator[RateLimiter | None]:
    """The rate limiter of all processes; None where the warehouse does not answer at once."""
    if warehouse_url is None:
        yield None
        return
    clock = SystemClock()
    budget = SharedBudget(warehouse_url, clock)
    key = account_key(account, livemode=credential.livemode)
    limiter = SharedRateLimiter(budget, key, settings.limits(livemode=credential.livemode), clock)
    found: RateLimiter | None = None
    try:
        async with asyncio.timeout(_BUDGET_SECONDS):
            # The account was unknown when it was asked for: count that request where it belongs.
            await limiter.acquire("GET /v1/account", Priority.LIVE)
        found = limiter
    except (WarehouseError, TimeoutError):
        await limiter.aclose()
    try:
        yield found
    finally:
        await budget.aclose()


def _alone(credential: Credential, settings: SyncSettings) -> RateLimiter:
    limits = settings.limits(livemode=credential.livemode)
    rate = limits.total * _SHARE_ALONE
    return LocalRateLimiter(PacingLimits(rate, rate, limits.per_endpoint))


def _api(credential: Credential, settings: SyncSettings, limiter: RateLimiter) -> StripeApi:
    return StripeApi(
        credential, api_version=settings.api_version, rate_limiter=limiter, retry=_RETRY
    )
