"""The Stripe connection type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from stripe_airflow.arguments import is_unset
from stripe_airflow.hooks.extras import extras_of
from stripe_sync import ConfigurationError, StripeSyncError

if TYPE_CHECKING:
    from stripe_sync import Credential, SyncSettings

ACCOUNT_EXTRA = "account"
"""The one extra that is not a setting: the connected account (``acct_…``) to act on."""


class StripeHook(BaseHook):
    """A Stripe account, from an Airflow connection of type ``stripe``.

    Fields of the connection: ``password`` is the secret or restricted key, ``host`` the base URL
    of the API (Stripe's if empty). Extras: ``account`` and the settings of the sync
    (``stripe_sync.SyncSettings``), such as ``requests_per_second``.

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
            ConfigurationError: The connection has no key, or an invalid one, or its extras are
                not a JSON object.
        """
        from stripe_sync import Credential

        connection = self.get_connection(self.stripe_conn_id)
        if not connection.password:
            msg = (
                f"connection {self.stripe_conn_id!r} has no Stripe key: "
                "put a secret or restricted key into its password field"
            )
            raise ConfigurationError(msg)
        api_base = {"api_base": connection.host} if connection.host else {}
        account = extras_of(connection).get(ACCOUNT_EXTRA)
        return Credential(
            api_key=connection.password,
            account=None if is_unset(account) else str(account).strip(),
            **api_base,
        )

    def sync_settings(self) -> SyncSettings:
        """The settings of the sync, from the connection's extras.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: An extra is not a setting, or its value is invalid, or the extras
                are not a JSON object.
        """
        from stripe_sync import SyncSettings

        extras = extras_of(self.get_connection(self.stripe_conn_id))
        extras.pop(ACCOUNT_EXTRA, None)
        try:
            return SyncSettings.parse(extras)
        except ConfigurationError as error:
            msg = f"extras of connection {self.stripe_conn_id!r}: {error}"
            raise ConfigurationError(msg) from error

    def test_connection(self) -> tuple[bool, str]:
        """Request the account from Stripe and check the settings.

        Returns:
            Whether both succeeded, and a sentence for the UI.
        """
        from stripe_sync import fetch_account_id

        try:
            self.sync_settings()
            account = fetch_account_id(self.get_conn())
        except StripeSyncError as error:
            return False, str(error)
        if account is None:
            return True, "Stripe accepts the key, which may not read the id of its account"
        return True, f"Stripe answered for account {account}"
