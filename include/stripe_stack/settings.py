"""Settings of the local stack, from the environment and ``.env``."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cryptography.fernet import Fernet
from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stripe_stack import ROOT
from stripe_stack.errors import StackError
from stripe_stack.variables import CREDENTIAL_EXTRAS, airflow_variables, connection_extras
from stripe_sync import Credential, SyncSettings, libpq
from stripe_sync.errors import ConfigurationError

STRIPE_API_BASE = "https://api.stripe.com"
SANDBOX_KEY = "sk_test_sandbox"

_NO_PROXY = ("NO_PROXY", "no_proxy")

Port = Annotated[int, Field(ge=1, le=65535)]
_NoneWhenEmpty = BeforeValidator(lambda value: value or None)
OptionalText = Annotated[str | None, _NoneWhenEmpty]
OptionalSecret = Annotated[SecretStr | None, _NoneWhenEmpty]


class Settings(BaseSettings):
    """Settings of ``make up`` and the other targets; each is an environment variable.

    Attributes:
        stripe_api_key: Secret or restricted key of the account; without one a sandbox runs.
        stripe_api_base: Address of the API, if it is not Stripe's own.
        stripe_account: Connected account (``acct_…``) to act for.
        warehouse_url: PostgreSQL to load into; the embedded server by default.
        lake_url: Folder or bucket of the Parquet files; a folder of the stack by default.
        stripe_views_schema: Schema of the views in the warehouse; ``stripe`` by default.
        stripe_marts: Whether the marts are built, too.
        airflow_port: Port of Airflow's UI and API, on loopback.
        sandbox_port: Port of the sandbox, on loopback.
        stack_dir: Folder of all data of the stack.
        connection_extras: Extras of the Stripe connection: settings of the sync, proxy and such.
        airflow_variables: More environment variables of Airflow's processes.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    stripe_api_key: OptionalSecret = None
    stripe_api_base: OptionalText = None
    stripe_account: OptionalText = None
    warehouse_url: OptionalSecret = None
    lake_url: OptionalText = None
    stripe_views_schema: OptionalText = None
    stripe_marts: Annotated[bool, BeforeValidator(lambda value: value or False)] = False
    airflow_port: Port = 8080
    sandbox_port: Port = 12111
    stack_dir: Path = ROOT / ".stack"
    connection_extras: dict[str, str] = Field(default_factory=dict)
    airflow_variables: dict[str, str] = Field(default_factory=dict)

    @field_validator("stripe_api_key")
    @classmethod
    def _looks_like_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            try:
                Credential(value.get_secret_value())
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("stripe_api_base")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            msg = "must start with https:// (or http://)"
            raise ValueError(msg)
        return value.rstrip("/") if value else None

    @field_validator("warehouse_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            try:
                libpq.connection_parameters(value.get_secret_value())
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
        return value

    @property
    def uses_sandbox(self) -> bool:
        """Whether a sandbox replaces Stripe."""
        return self.stripe_api_key is None

    @property
    def api_key(self) -> str:
        """The API key of the sync."""
        return self.stripe_api_key.get_secret_value() if self.stripe_api_key else SANDBOX_KEY

    @property
    def api_base(self) -> str:
        """The address of the API."""
        if self.uses_sandbox:
            return f"http://127.0.0.1:{self.sandbox_port}"
        return self.stripe_api_base or STRIPE_API_BASE

    @property
    def credential(self) -> Credential:
        """The key, and how to use it.

        Raises:
            ConfigurationError: The key is of another mode than ``STRIPE_MODE``, or a value is
                invalid.
        """
        given: dict[str, Any] = {
            name: self.connection_extras.get(name) for name in CREDENTIAL_EXTRAS
        }
        if self.uses_sandbox:
            given = {}
        return Credential(self.api_key, self.api_base, self.stripe_account, **given)

    @property
    def folder(self) -> Path:
        """Folder of databases, lake and logs; the sandbox has one of its own."""
        folder = self.stack_dir.resolve()
        return folder / "sandbox" if self.uses_sandbox else folder

    @property
    def lake(self) -> str:
        """The lake's URL."""
        return self.lake_url or str(self.folder / "lake")

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs."""
        return self.folder / "logs"


def read_settings() -> Settings:
    """Read the settings from the environment and ``.env``.

    Raises:
        StackError: A setting has a wrong value.
    """
    extras = connection_extras()
    try:
        settings = Settings(connection_extras=extras, airflow_variables=airflow_variables())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        msg = f"{name} has a wrong value: {reason}. It is set in the environment or in .env."
        raise StackError(msg) from error
    if settings.stripe_api_base and settings.uses_sandbox:
        msg = "STRIPE_API_BASE is set but STRIPE_API_KEY is not: set both, or none for the sandbox."
        raise StackError(msg)
    _check_sync_settings(extras)
    return settings


def _check_sync_settings(extras: Mapping[str, str]) -> None:
    """Check the settings of the sync.

    Raises:
        StackError: One has a wrong value.
    """
    try:
        SyncSettings.parse(
            {name: value for name, value in extras.items() if name in SyncSettings.model_fields}
        )
    except ConfigurationError as error:
        name = str(error.param).removeprefix("settings.")
        msg = f"STRIPE_{name.upper()}: {error}. It is set in the environment or in .env."
        raise StackError(msg) from error


class Secrets(BaseModel):
    """Random passwords of a stack, made once."""

    postgres_password: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    admin_password: str = Field(default_factory=lambda: secrets.token_urlsafe(9))
    jwt_secret: str = Field(default_factory=lambda: secrets.token_urlsafe(48))
    fernet_key: str = Field(default_factory=lambda: Fernet.generate_key().decode())


def stack_secrets(stack_dir: Path) -> Secrets:
    """The secrets of a stack; made by the first call."""
    file = stack_dir / "secrets.json"
    if file.exists():
        return Secrets.model_validate_json(file.read_bytes())
    made = Secrets()
    file.touch(mode=0o600)
    file.write_text(made.model_dump_json(indent=2))
    return made


def exempt_loopback_from_proxies() -> None:
    """Have the HTTP clients of this process and its children reach the stack without a proxy."""
    known = {os.environ.get(name, "") for name in _NO_PROXY}
    hosts = ",".join(sorted(filter(None, {*known, "127.0.0.1", "localhost"})))
    os.environ.update(dict.fromkeys(_NO_PROXY, hosts))


def free_port() -> int:
    """A free TCP port on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
