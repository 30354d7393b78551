"""A credential as it is stored, which is as an Airflow connection, and what callers see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.accounts.credentials.health import HealthStatus
from stripe_sync.client import Credential
from stripe_sync.errors import ConfigurationError
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.connections import SyncSettings

MASK = "***"

_BEGINNING = len("sk_live_")


@dataclass(frozen=True, slots=True)
class KeyHealth:
    """Whether a key can be used.

    Attributes:
        status: ``ok``, ``limited`` (it lacks permissions), ``refused``, or ``unknown``.
        notes: Why, a sentence each.
        time: When that was found out; None for never.
        collections: What the key may do with each collection; None unless it was just probed.
    """

    status: str = HealthStatus.UNKNOWN
    notes: tuple[str, ...] = ()
    time: datetime | None = None
    collections: list[JsonObject] | None = None


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """A credential with its secrets.

    Attributes:
        id: Id of the Airflow connection: 1 to 200 letters, digits, and the characters ``. _ -``.
        api_key: The key; empty for a connection without one.
        name: Chosen by a person.
        fields: The other fields of its :class:`stripe_sync.Credential` that are given.
        settings: Settings of syncs by name, as stored with the connection.
        account_id: ``acct_…`` that the key acts on; None where it is not known.
        key_since: When this key was stored; None where it is not known.
        health: Result of the last check.
        external_id: The caller's own id.
        metadata: The caller's own data.
        platform_id: Id of the Connect platform's credential whose key it is; None for its own key.
    """

    id: str
    api_key: str = field(repr=False)
    name: str
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, object] = field(default_factory=dict)
    account_id: str | None = None
    key_since: datetime | None = None
    health: KeyHealth = field(default_factory=KeyHealth)
    external_id: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    platform_id: str | None = None

    def credential(self) -> Credential:
        """What a request needs.

        Raises:
            ConfigurationError: The key or another field cannot be right.
        """
        return Credential(self.api_key, **self.fields)  # type: ignore[arg-type]

    def credential_if_valid(self) -> Credential | None:
        """The same; None where it cannot be right."""
        try:
            return self.credential()
        except ConfigurationError:
            return None

    def sync_settings(self) -> SyncSettings:
        """The settings of syncs.

        Raises:
            ConfigurationError: A setting is unknown or invalid.
        """
        return SyncSettings.parse(self.settings)


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """A credential without its secrets.

    Attributes:
        id: Id of the Airflow connection.
        kind: ``stripe_key``.
        name: Chosen by a person.
        secret_key: The beginning of the key: ``rk_live_***``.
        test: Whether it is for test mode; None where the connection has no valid key.
        account: Connected account that it acts on; None for the key's own.
        api_base: Address of the API.
        account_id: ``acct_…`` that it acts on; None where nothing that the key may read names it.
        syncs: Names of the syncs that use it.
        health: Whether it can be used.
        external_id: The caller's own id.
        metadata: The caller's own data.
    """

    id: str
    kind: str
    name: str
    secret_key: str
    test: bool | None
    account: str | None
    api_base: str | None
    account_id: str | None
    syncs: tuple[str, ...]
    health: KeyHealth
    external_id: str | None
    metadata: JsonObject


def masked(api_key: str) -> str:
    """Kind and mode of a key, without the key."""
    is_key = api_key[:_BEGINNING] in {"sk_live_", "sk_test_", "rk_live_", "rk_test_"}
    return (api_key[:_BEGINNING] if is_key else "") + MASK
