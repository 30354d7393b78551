"""The Stripe connection type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from stripe_airflow.arguments import is_unset
from stripe_airflow.hooks.extras import extras_of
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import ConfigurationError, StripeSyncError

if TYPE_CHECKING:
    from stripe_sync import Credential, SyncSettings

CREDENTIAL_EXTRAS = ("account", "mode", "proxy", "ca_bundle")
"""Extras that are no settings of the sync, but fields of the ``Credential``."""

IMPORT_EXTRA = "credential"
"""The extra with what the HTTP API stores: external id, metadata, account, last check."""

CLIENT_ID_EXTRA = "client_id"
"""The extra of a Connect platform's connection: ``ca_…``, of the mode of its key."""

PLATFORM_EXTRA = "platform_id"
"""The extra of a connected account's connection: id of the connection that has its platform's key.

It is used where the connection has no key of its own.
"""

HASH_SECRET_EXTRA = "hash_secret"  # noqa: S105 - a name
"""Extra with the key of the hashes of ``hash_fields``; Airflow masks it for its name."""

KEY_PAGE = "/stripe/new-key"
"""Path, below the UI's address, of the page that leads to Stripe's for a new restricted key."""


class StripeHook(BaseHook):
    """A Stripe account, from an Airflow connection of type ``stripe``.

    Fields of the connection: ``password`` is the secret or restricted key, ``host`` the base URL
    of the API (Stripe's if empty). Extras: ``account``, ``mode`` (what the key must be for),
    ``proxy``, ``ca_bundle``, ``hash_secret`` (for the setting ``hash_fields``), ``platform_id``
    (connection that has the key, if this one has none), and the settings of the sync
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
            ConfigurationError: The connection has no key, or an invalid one, or one of the other
                mode, or its extras are not a JSON object.
        """
        from stripe_sync import Credential

        connection = self.get_connection(self.stripe_conn_id)
        source = key_source(connection)
        fields: dict[str, Any] = credential_fields(connection, source)
        try:
            return Credential(source.password, **fields)
        except ConfigurationError as error:
            msg = f"connection {self.stripe_conn_id!r}: {error}"
            raise ConfigurationError(msg, param=error.param) from error

    def sync_settings(self) -> SyncSettings:
        """The settings of the sync, from the connection's extras.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: An extra is not a setting, or its value is invalid, or the extras
                are not a JSON object.
        """
        from stripe_sync import SyncSettings

        extras = setting_extras(self.get_connection(self.stripe_conn_id))
        try:
            return SyncSettings.parse(extras)
        except ConfigurationError as error:
            msg = f"extras of connection {self.stripe_conn_id!r}: {error}"
            raise ConfigurationError(msg) from error

    def client_id(self) -> str:
        """The client id of a Connect platform, ``ca_…``.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The connection has none.
        """
        client_id = extras_of(self.get_connection(self.stripe_conn_id)).get(CLIENT_ID_EXTRA)
        if not str(client_id or "").startswith("ca_"):
            msg = (
                f"connection {self.stripe_conn_id!r} has no client id: put that of Stripe's Connect"
                f" settings, ca_…, of the mode of its key, into the extra {CLIENT_ID_EXTRA}"
            )
            raise ConfigurationError(msg, param="platform_id")
        return str(client_id)

    def hash_secret(self) -> str | None:
        """Key of the hashes of the setting ``hash_fields``; None where the connection has none.

        Raises:
            AirflowNotFoundException: There is no such connection.
            ConfigurationError: The extras are not a JSON object.
        """
        secret = extras_of(self.get_connection(self.stripe_conn_id)).get(HASH_SECRET_EXTRA)
        return None if is_unset(secret) else str(secret).strip()

    def test_connection(self) -> tuple[bool, str]:
        """Find out whose the key is and what it may read and write; check the settings.

        Nothing is downloaded, created or changed.

        Returns:
            Whether the key can be used, and a few sentences for the UI.
        """
        from stripe_sync import check_credential, describe_health

        try:
            settings, credential = self.sync_settings(), self.get_conn()
            health = check_credential(credential, settings, warehouse_url=warehouse_if_any())
        except StripeSyncError as error:
            return False, str(error)
        return health.usable, describe_health(health, key_page=_key_page(live=credential.livemode))


def platform_id_of(connection: Any) -> str | None:
    """Id of the connection that has the key of a connection; None where it has a key of its own.

    Raises:
        ConfigurationError: The extras are not a JSON object.
    """
    platform_id = extras_of(connection).get(PLATFORM_EXTRA)
    return None if connection.password or is_unset(platform_id) else str(platform_id).strip()


def key_source(connection: Any) -> Any:
    """The connection that has the key of a connection: itself, or its platform's.

    Args:
        connection: Of Airflow's SDK, or of its database.

    Raises:
        ConfigurationError: There is none, or the extras are not a JSON object.
    """
    own_id, platform_id = connection.conn_id, platform_id_of(connection)
    if platform_id is not None:
        try:
            connection = StripeHook.get_connection(platform_id)
        except AirflowNotFoundException as error:
            msg = (
                f"connection {own_id!r} takes its key from connection {platform_id!r}, which does"
                " not exist: create it with the platform's key"
            )
            raise ConfigurationError(msg) from error
    if not connection.password:
        msg = (
            f"connection {platform_id or own_id!r} has no Stripe key: "
            "put a secret or restricted key into its password field"
        )
        raise ConfigurationError(msg)
    return connection


def credential_fields(connection: Any, source: Any) -> dict[str, str]:
    """The fields of a ``Credential`` that a connection has, but for the key.

    Args:
        connection: Of Airflow's SDK, or of its database.
        source: The one that has its key. A key is sent to the address that is stored with it only.

    Raises:
        ConfigurationError: The extras are not a JSON object.
    """
    extras = extras_of(connection)
    given = {name: extras.get(name) for name in CREDENTIAL_EXTRAS}
    given["api_base"] = source.host
    return {name: str(value).strip() for name, value in given.items() if not is_unset(value)}


def setting_extras(connection: Any) -> dict[str, Any]:
    """The settings of the sync among the extras of a connection.

    Raises:
        ConfigurationError: The extras are not a JSON object.
    """
    extras = extras_of(connection)
    own = (*CREDENTIAL_EXTRAS, CLIENT_ID_EXTRA, HASH_SECRET_EXTRA, PLATFORM_EXTRA, IMPORT_EXTRA)
    return {name: value for name, value in extras.items() if name not in own}


def warehouse_if_any() -> str | None:
    """The warehouse's URL; None where it has no connection, or an unusable one."""
    try:
        return warehouse_url()
    except (AirflowNotFoundException, ConfigurationError):
        return None


def _key_page(*, live: bool) -> str:
    """A short address that leads to Stripe's page for a new key; Stripe's own where there is none.

    Stripe's is 1,400 characters long, too long for a message of the UI.
    """
    from stripe_sync import create_key_url

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    mode = "live" if live else "test"
    return f"{base}{KEY_PAGE}/{mode}" if base else create_key_url(test=not live)
