"""Bodies of requests and answers about credentials. Unknown names are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from stripe_airflow.api.routing import StorableValues, Strict
from stripe_sync import CredentialInfo

_SECRET_KEY = "Secret or restricted key; `secret` is accepted, too."  # noqa: S105 - no password


class KeyUpdate(Strict):
    """What to change of a key; what is left out stays as it is."""

    kind: Literal["stripe_key"] = "stripe_key"
    secret_key: SecretStr | None = Field(default=None, description=_SECRET_KEY)
    secret: SecretStr | None = Field(default=None, description="The same as `secret_key`.")
    test: bool | None = Field(
        default=None, description="Whether the key must be a test mode key. Null: either."
    )
    name: str | None = Field(default=None, description="A name for people.")


class NewKey(KeyUpdate):
    """A key to import."""

    kind: Literal["stripe_key"]
    account: str | None = Field(
        default=None, description="Connected account to act on, `acct_…`. Null: the key's own."
    )
    api_base: str | None = Field(
        default=None,
        description="Address of the API. Null: that of the default sync, or Stripe's own.",
    )


class CredentialUpdate(Strict):
    """What to change of a credential; what is left out stays as it is, null removes it."""

    properties: KeyUpdate = Field(default_factory=KeyUpdate)
    external_id: str | None = Field(default=None, description="Your own id of it.")
    metadata: StorableValues = Field(
        default_factory=dict, description="Your own data; merged, null removes a name."
    )


class NewCredential(CredentialUpdate):
    """A credential to import."""

    properties: NewKey


class ShownKey(BaseModel):
    """A key without its secret."""

    kind: str
    secret_key: str
    name: str
    test: bool | None
    account: str | None
    api_base: str | None


class ShownHealth(BaseModel):
    """Whether a key can be used; ``collections`` only where it was just checked."""

    status: str
    notes: list[str]
    time: datetime | None
    collections: list[dict[str, Any]] | None


class Credential(BaseModel):
    """A credential.

    ``account_id`` is null where nothing that the key may read names the account. ``overridden_by``
    is the source that Airflow takes the connection from instead of the stored one.
    """

    id: str
    properties: ShownKey
    account_id: str | None
    health: ShownHealth
    syncs: list[str]
    overridden_by: str | None
    external_id: str | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, info: CredentialInfo, overridden_by: str | None) -> Credential:
        """The answer for a credential."""
        health = info.health
        return cls(
            id=info.id,
            properties=ShownKey(
                kind=info.kind,
                secret_key=info.secret_key,
                name=info.name,
                test=info.test,
                account=info.account,
                api_base=info.api_base,
            ),
            account_id=info.account_id,
            health=ShownHealth(
                status=health.status,
                notes=list(health.notes),
                time=health.time,
                collections=health.collections,
            ),
            syncs=list(info.syncs),
            overridden_by=overridden_by,
            external_id=info.external_id,
            metadata=info.metadata,
        )


class CredentialList(BaseModel):
    """A page of credentials by id; ``cursor`` is the next page's ``after_cursor``."""

    credentials: list[Credential]
    cursor: str | None
    has_more: bool


class DeletedCredential(BaseModel):
    """A credential that was deleted."""

    id: str
    deleted: bool = True
