"""Refuses the key of another account: a sync stores one account in one mode."""

from __future__ import annotations

from stripe_sync.client import NoRateLimit, Priority, StripeApi
from stripe_sync.client.stripe_clock import StripeClock
from stripe_sync.errors import ConfigurationError, PermissionDenied
from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections
from stripe_sync.warehouse import Sync


async def fetch_own_account(connections: Connections, stripe_clock: StripeClock) -> str | None:
    """The account id of the key; None when the key may not read it. Reads Stripe's clock, too."""
    async with StripeApi(
        connections.credential,
        api_version=connections.settings.api_version,
        rate_limiter=NoRateLimit(),
        stripe_clock=stripe_clock,
    ) as api:
        try:
            return str((await api.get("/v1/account", priority=Priority.LIVE))["id"])
        except PermissionDenied:
            return None


def check_account(sync: Sync, account_id: str, *, livemode: bool) -> None:
    """Check that the key is for the account and mode that the sync stores.

    Raises:
        ConfigurationError: It is for another one.
    """
    if sync.resource_id == ids.resource_id(account_id, livemode=livemode):
        return
    mode = {True: "live", False: "test"}
    message = (
        f"sync {sync.name!r} stores account {sync.account_id} in {mode[sync.livemode]} mode, but"
        f" the key is for {account_id} in {mode[livemode]} mode: use another sync name for it"
    )
    raise ConfigurationError(message)
