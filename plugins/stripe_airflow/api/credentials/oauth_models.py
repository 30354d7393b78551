"""Bodies of requests and answers of Stripe Connect's OAuth."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from stripe_airflow.api.models import NewSync
from stripe_airflow.api.routing import StorableValues, Strict


class StartAuth(Strict):
    """An account to connect."""

    platform_id: str = Field(
        default="stripe_platform",
        description="Airflow connection with the platform's key and its `client_id`.",
    )
    test: bool | None = Field(
        default=None, description="Whether the platform's key must be a test mode key."
    )
    redirect_url: str | None = Field(
        default=None,
        description="Where the browser goes at the end, with `credential_id` and `state`.",
    )
    redirect_uri: str | None = Field(
        default=None,
        description="Your own page that Stripe sends the code to, for `exchange-code`."
        " Null: `/stripe/oauth/callback`.",
    )
    state: Any = Field(default=None, description="Your own JSON, handed back at the end.")
    name: str | None = Field(default=None, description="Name of the credential.")
    external_id: str | None = Field(default=None, description="Your own id of the credential.")
    metadata: StorableValues = Field(
        default_factory=dict, description="Your own data of the credential."
    )
    sync: NewSync | None = Field(default=None, description="A sync of the account, to be created.")


class StartedAuth(BaseModel):
    """Where to send the browser; ``state`` is for ``exchange-code``."""

    authorize_url: str
    state: str
    expires_at: datetime


class ExchangeCode(Strict):
    """What Stripe sent to your own page."""

    code: SecretStr = Field(min_length=1, max_length=1000)
    state: str = Field(max_length=1000)


class ConnectedAccount(BaseModel):
    """An account that was connected; ``state`` is the caller's own."""

    account_id: str
    credential_id: str
    sync: str | None
    test: bool
    state: Any
