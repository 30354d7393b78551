"""What a use case must be given to reach Stripe, the warehouse and the lake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stripe_sync.catalog import PINNED_API_VERSION, Catalog, load_catalog
from stripe_sync.client import Credential, PacingLimits
from stripe_sync.errors import ConfigurationError


class SyncSettings(BaseModel):
    """Settings of one sync; stored with it.

    Attributes:
        api_version: Stripe-Version that every payload is rendered in.
        redact: Whether client secrets and the like are redacted before they are stored.
        created_events: Whether a backfill writes a ``created`` event for each record it finds new.
        fail_when_forbidden: Whether a backfill run ends red when the key may not read one of its
            collections.
        include_parents: Parent collections to store too; all are read anyway: ``account``,
            ``application_fee``, ``payment_link``, ``quote``.
        max_age_days: Backfill only objects created in so many days before it begins; None for all.
        keep_events_days: Days for which change events stay in the warehouse; None for ever. The
            newest one of each record stays in any case, and the lake keeps all.
        requests_per_second: Ceiling for backfills; None for 50 in live mode, 20 in test mode.
        total_requests_per_second: Ceiling for everything that asks Stripe; None for Stripe's
            documented limit (100 in live mode, 25 in test mode).
        endpoint_requests_per_second: Ceiling for each endpoint; None for Stripe's own (25).
        cadence: ``fixed`` polls at the same interval all the time; ``adaptive`` waits longer and
            longer while nothing happens.
        longest_poll_interval: Seconds between two polls that ``adaptive`` goes up to. The default
            takes fewer reads a month than Stripe allots to an account without any transactions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_version: str = PINNED_API_VERSION
    redact: bool = True
    created_events: bool = True
    fail_when_forbidden: bool = False
    include_parents: tuple[str, ...] = ()
    max_age_days: int | None = Field(default=None, gt=0)
    keep_events_days: int | None = Field(default=None, gt=0)
    requests_per_second: float | None = Field(default=None, gt=0)
    total_requests_per_second: float | None = Field(default=None, gt=0)
    endpoint_requests_per_second: float | None = Field(default=None, gt=0)
    cadence: Literal["fixed", "adaptive"] = "fixed"
    longest_poll_interval: float = Field(default=300.0, gt=0)

    @field_validator("include_parents")
    @classmethod
    def _check_include_parents(cls, include_parents: tuple[str, ...]) -> tuple[str, ...]:
        load_catalog(include_parents)
        return include_parents

    @property
    def catalog(self) -> Catalog:
        """The collections of the sync."""
        return load_catalog(self.include_parents)

    @classmethod
    def parse(cls, values: dict[str, object]) -> SyncSettings:
        """Settings from plain values.

        Raises:
            ConfigurationError: A value is unknown or wrong; the message names it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            message = f"sync setting {name}: {first['msg']}"
            raise ConfigurationError(message) from None

    def limits(self, *, livemode: bool, backfill: float | None = None) -> PacingLimits:
        """The request budget of the account.

        Args:
            livemode: Whether the key is one of live mode.
            backfill: Ceiling for backfills instead of the sync's own.

        Raises:
            ConfigurationError: The ceiling for backfills is above that for everything.
        """
        limits = PacingLimits.for_key(livemode=livemode)
        total = self.total_requests_per_second or limits.total
        return PacingLimits(
            total=total,
            backfill=backfill or self.requests_per_second or min(limits.backfill, total),
            per_endpoint=self.endpoint_requests_per_second or limits.per_endpoint,
        )


@dataclass(frozen=True, slots=True)
class Connections:
    """What a use case must be given.

    Attributes:
        credential: The Stripe key and where to use it.
        warehouse_url: ``postgresql://user:password@host:port/database``.
        lake_url: Folder or fsspec URL.
        settings: The sync's settings.
    """

    credential: Credential
    warehouse_url: str = field(repr=False)
    lake_url: str
    settings: SyncSettings = field(default_factory=SyncSettings)
