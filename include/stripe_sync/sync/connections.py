"""The settings of a sync, and the connections that a use case needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stripe_sync.catalog import PINNED_API_VERSION, Catalog, load_catalog
from stripe_sync.client import Credential, PacingLimits
from stripe_sync.client.credential import is_account_id
from stripe_sync.declared.names import check_names
from stripe_sync.errors import ConfigurationError
from stripe_sync.extract.field_rules import make_rules, parse_pattern
from stripe_sync.records.redaction import FieldRules

if TYPE_CHECKING:
    from stripe_sync.warehouse import Sync

_UNSET = ("", "null")
"""Texts that forms and environment variables use for "no value"."""

EVERY_ACCOUNT = "all"
"""The value of ``connected_accounts`` for all of a platform, new ones too."""

# Bounds beyond which dates, intervals and rate limiter slots cannot be computed.
MOST_DAYS = 36_500
_LONGEST_INTERVAL = 7 * 86_400.0
_RATES = (0.001, 1_000_000.0)

_Days = Annotated[int, Field(gt=0, le=MOST_DAYS)]
_Rate = Annotated[float, Field(ge=_RATES[0], le=_RATES[1])]

_API_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z0-9_]+)?")


class SyncSettings(BaseModel):
    """Settings of one sync; stored with it.

    Attributes:
        api_version: The ``Stripe-Version`` in which every payload is requested.
        redact: Whether client secrets and similar fields are redacted before they are stored.
        created_events: Whether a backfill writes a ``created`` change event for each new record.
        fail_when_forbidden: Whether a backfill run fails when the key may not read one of its
            collections.
        include_parents: Parent collections to store as well (a backfill reads them in any case):
            ``account``, ``application_fee``, ``payment_link``, ``quote``.
        exclude: Fields and collections that are never stored: ``customer.email``,
            ``customer.address.*``, ``*.metadata.ssn``, ``customer`` (all of its objects but their
            ids, wherever they are). Ids and times that reading needs cannot be left out.
        hash_fields: Fields of which only a hash is stored; equal values have equal hashes.
        max_age_days: Backfill only objects created within this number of days; None for all.
        keep_events_days: Days that change events stay in the warehouse; None for ever. The newest
            change event of each record always stays, and the lake keeps all.
        read_every_parent: Whether a list that takes a request for each parent is read for all
            parents (balance transactions and previews of customers). Without it only for those
            whose fields, invoices, credit notes or subscriptions show that they may have some.
        requests_per_second: Maximum for backfills; None for 50 in live mode, 20 in test mode.
        total_requests_per_second: Maximum for all requests; None for Stripe's documented limit
            (100 in live mode, 25 in test mode).
        endpoint_requests_per_second: Maximum for each endpoint; None for Stripe's limit (25).
        cadence: ``fixed`` polls at a constant interval; ``adaptive`` increases the interval while
            there are no new Stripe events. None for ``adaptive`` where the key acts on a connected
            account, because all accounts of a platform share its read allotment, else ``fixed``.
        longest_poll_interval: Upper bound of the adaptive interval in seconds, a week at most, as
            Stripe keeps its events for 30 days. With the default,
            polling and reconciling an account without transactions stay below Stripe's monthly read
            allotment.
        lake_flush_seconds: Longest time from a commit of ``stripe_poll`` to the lake, a week at
            most. Each flush writes a file for each collection with changes (change events: for each
            day), so that fewer flushes make fewer and larger files.
        connected_accounts: Connected accounts of this platform that get a sync of their own
            (``acct_…``), or ``all``; new ones too. Without meaning where the key itself acts on a
            connected account.
        approve_mutations: Whether a person must approve in Airflow what is to be written to Stripe
            from the form of ``stripe_mutate`` or over HTTP. None: only what is written to a live
            account from the form. Calls from code (operator, Python) are never held back.

    Example:
        >>> from stripe_sync import SyncSettings
        >>> SyncSettings(max_age_days=30).max_age_days
        30
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    api_version: str = PINNED_API_VERSION
    redact: bool = True
    created_events: bool = True
    fail_when_forbidden: bool = False
    include_parents: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hash_fields: tuple[str, ...] = ()
    max_age_days: _Days | None = None
    keep_events_days: _Days | None = None
    read_every_parent: bool = False
    requests_per_second: _Rate | None = None
    total_requests_per_second: _Rate | None = None
    endpoint_requests_per_second: _Rate | None = None
    cadence: Literal["fixed", "adaptive"] | None = None
    longest_poll_interval: float = Field(default=400.0, gt=0, le=_LONGEST_INTERVAL)
    lake_flush_seconds: float = Field(default=300.0, gt=0, le=_LONGEST_INTERVAL)
    connected_accounts: tuple[str, ...] = ()
    approve_mutations: bool | None = None

    @field_validator(
        "max_age_days",
        "keep_events_days",
        "requests_per_second",
        "total_requests_per_second",
        "endpoint_requests_per_second",
        "longest_poll_interval",
        "lake_flush_seconds",
        mode="before",
    )
    @classmethod
    def _refuse_truth_values(cls, number: object) -> object:
        """Refuse ``true``, which pydantic would read as 1."""
        if isinstance(number, bool):
            message = "a number is needed, not true or false"
            raise ValueError(message)
        return number

    @field_validator("api_version")
    @classmethod
    def _check_api_version(cls, version: str) -> str:
        if not _API_VERSION.fullmatch(version):
            message = f"a Stripe version such as {PINNED_API_VERSION} is needed, not {version!r}"
            raise ValueError(message)
        return version

    @field_validator(
        "include_parents", "connected_accounts", "exclude", "hash_fields", mode="before"
    )
    @classmethod
    def _split_names(cls, names: object) -> object:
        """Accept ``"quote, account"``, as environment variables and connection URIs carry it."""
        if isinstance(names, str):
            return [name.strip() for name in names.split(",") if name.strip()]
        return names

    @field_validator("include_parents")
    @classmethod
    def _check_include_parents(cls, include_parents: tuple[str, ...]) -> tuple[str, ...]:
        load_catalog(include_parents)
        return include_parents

    @field_validator("connected_accounts")
    @classmethod
    def _check_connected_accounts(cls, accounts: tuple[str, ...]) -> tuple[str, ...]:
        if EVERY_ACCOUNT not in accounts:
            for account in accounts:
                if not is_account_id(account):
                    message = f"ids such as acct_123, or {EVERY_ACCOUNT}, are needed"
                    raise ValueError(message)
        elif len(accounts) > 1:
            message = f"either {EVERY_ACCOUNT} or ids of accounts are needed"
            raise ValueError(message)
        return accounts

    @field_validator("exclude", "hash_fields")
    @classmethod
    def _check_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        catalog = load_catalog()
        try:
            return tuple(dict.fromkeys(parse_pattern(catalog, each).text for each in patterns))
        except ConfigurationError as error:
            raise ValueError(str(error)) from None

    @property
    def catalog(self) -> Catalog:
        """The collections of the sync."""
        return load_catalog(self.include_parents)

    def needs_approval(self, *, livemode: bool, from_form: bool) -> bool:
        """Whether a person must approve a mutation before it is sent.

        Args:
            livemode: Whether it writes to a live account.
            from_form: Whether it was typed into the form of ``stripe_mutate``, rather than sent to
                the HTTP API.
        """
        if self.approve_mutations is None:
            return livemode and from_form
        return self.approve_mutations

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> SyncSettings:
        """Settings from untyped values, such as the extras of an Airflow connection.

        Args:
            values: Setting names and values. Texts are accepted for every type (``"true"``,
                ``"20"``). None, ``""`` and ``"null"`` select the default.

        Raises:
            ConfigurationError: A name is unknown or a value is invalid; the message names it.

        Example:
            >>> from stripe_sync import SyncSettings
            >>> SyncSettings.parse({"redact": "false", "max_age_days": "30"}).max_age_days
            30
        """
        check_names(values, list(cls.model_fields), what="sync setting", param="settings")
        stripped = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in values.items()
        }
        given = {name: value for name, value in stripped.items() if not is_unset(value)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            message = f"sync setting {name}: {first['msg'].removeprefix('Value error, ')}"
            raise ConfigurationError(message, param=f"settings.{name}") from None

    def overridden_by(self, overrides: Mapping[str, object]) -> SyncSettings:
        """These settings, with those that are stored with a sync in their place.

        Raises:
            ConfigurationError: A stored setting is unknown to this version, or invalid.
        """
        return SyncSettings.parse(self.model_dump() | dict(overrides)) if overrides else self

    def limits(self, *, livemode: bool, backfill: float | None = None) -> PacingLimits:
        """The rate limits of the account.

        Args:
            livemode: Whether the key is a live mode key.
            backfill: Requests per second for backfills, instead of ``requests_per_second``.

        Raises:
            ConfigurationError: ``backfill`` is no possible rate, or the limit for backfills
                exceeds the limit for all requests.
        """
        if backfill is not None and not _RATES[0] <= backfill <= _RATES[1]:
            message = (
                "requests_per_second must be a number above 0, from"
                f" {_RATES[0]} to {_RATES[1]:,.0f}, not {backfill}"
            )
            raise ConfigurationError(message)
        limits = PacingLimits.for_key(livemode=livemode)
        total = self.total_requests_per_second or limits.total
        if backfill is None:
            backfill = self.requests_per_second or min(limits.backfill, total)
        return PacingLimits(
            total=total,
            backfill=backfill,
            per_endpoint=self.endpoint_requests_per_second or limits.per_endpoint,
        )


def is_unset(value: object) -> bool:
    """Whether a value from a form or an environment variable means "not set"."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _UNSET)


@dataclass(frozen=True, slots=True)
class Connections:
    """How to reach Stripe, the warehouse and the lake.

    Attributes:
        credential: The Stripe key and the API that it is for.
        warehouse_url: ``postgresql://user:password@host:port/database``.
        lake_url: Folder or fsspec URL (``s3://bucket/stripe``).
        settings: The sync's settings; those stored with the sync win over them.
        hash_secret: Key of the hashes of ``hash_fields``, at least 16 characters. It is not stored:
            with another one equal values have other hashes.

    Example:
        >>> from stripe_sync import Connections, Credential
        >>> Connections(
        ...     credential=Credential("sk_test_123"),
        ...     warehouse_url="postgresql://postgres:secret@localhost:5432/warehouse",
        ...     lake_url="s3://bucket/stripe",
        ... ).credential.livemode
        False
    """

    credential: Credential
    warehouse_url: str = field(repr=False)
    lake_url: str
    settings: SyncSettings = field(default_factory=SyncSettings)
    hash_secret: str | None = field(default=None, repr=False)

    def field_rules(self) -> FieldRules | None:
        """Fields that are left out or hashed; None for none.

        Raises:
            ConfigurationError: Fields are to be hashed, and the secret is missing or too short.
        """
        settings = self.settings
        return make_rules(
            settings.catalog, settings.exclude, settings.hash_fields, self.hash_secret
        )

    def of_sync(self, sync: Sync | None) -> Connections:
        """The same with what is stored with the sync: its settings, its connected account.

        Args:
            sync: The sync; None for one that does not exist yet.

        Raises:
            ConfigurationError: A stored setting is unknown to this version, or invalid.
        """
        credential, settings = self.credential, self.settings
        if sync:
            settings = settings.overridden_by(sync.overrides)
            if sync.connected_account:
                credential = replace(credential, account=sync.connected_account)
        is_connected = credential.account is not None
        changes: dict[str, object] = {}
        if settings.cadence is None:
            changes["cadence"] = "adaptive" if is_connected else "fixed"
        if is_connected:
            changes["connected_accounts"] = ()
        return replace(self, credential=credential, settings=settings.model_copy(update=changes))
