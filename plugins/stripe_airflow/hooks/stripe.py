"""The Stripe connection type."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from stripe_sync.client import Credential
from stripe_sync.client.credential import STRIPE_API_BASE
from stripe_sync.errors import ConfigurationError, StripeSyncError

if TYPE_CHECKING:
    from stripe_sync.sync.connections import SyncSettings


class StripeHook(BaseHook):
    """A Stripe account, as an Airflow connection of type ``stripe``.

    The connection's fields: ``password`` is the secret or restricted key, ``host`` the address of
    the API (Stripe's own when empty). Its extras: ``account``, a connected account (``acct_…``) to
    act on, and the settings of the sync, such as ``requests_per_second``.

    Args:
        stripe_conn_id: Id of the connection.
    """

    conn_name_attr = "stripe_conn_id"
    default_conn_name = "stripe_default"
    conn_type = "stripe"
    hook_name = "Stripe"

    def __init__(self, stripe_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.stripe_conn_id = stripe_conn_id

    def get_conn(self) -> Credential:
        """The credential of this connection.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The connection holds no key, or what cannot be one.
        """
        connection = self.get_connection(self.stripe_conn_id)
        if not connection.password:
            msg = (
                f"connection {self.stripe_conn_id!r} holds no Stripe key: "
                "put a secret or restricted key into its password field"
            )
            raise ConfigurationError(msg)
        return Credential(
            api_key=connection.password,
            api_base=connection.host or STRIPE_API_BASE,
            account=connection.extra_dejson.get("account") or None,
        )

    def sync_settings(self) -> SyncSettings:
        """The settings of the sync that stand in the connection's extras.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: A setting has a wrong value.
        """
        from stripe_sync.sync.connections import SyncSettings

        extras = self.get_connection(self.stripe_conn_id).extra_dejson
        known = SyncSettings.model_fields.keys() & extras.keys()
        return SyncSettings.parse({key: extras[key] for key in known if extras[key] is not None})

    def test_connection(self) -> tuple[bool, str]:
        """Ask Stripe for the account: whether that worked, and a sentence for the UI."""
        try:
            account = asyncio.run(self._fetch_account())
        except StripeSyncError as error:
            return False, str(error)
        return True, f"Stripe answered for account {account}"

    async def _fetch_account(self) -> str:
        from stripe_sync.catalog.model import PINNED_API_VERSION
        from stripe_sync.client import NoRateLimit, Priority, RetryPolicy, StripeApi

        api = StripeApi(
            self.get_conn(),
            api_version=PINNED_API_VERSION,
            rate_limiter=NoRateLimit(),
            retry=RetryPolicy(attempts=2),
        )
        async with api:
            answer = await api.get("/v1/account", priority=Priority.LIVE)
        return str(answer["id"])
