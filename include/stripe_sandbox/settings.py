"""The settings of a sandbox; all can change while it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stripe_sandbox.resources.resource_spec import NEWEST_VERSION

FaultKind = Literal[
    "server_error",
    "card_error",
    "gone",
    "refuse",
    "reset",
    "slow",
    "truncate",
    "rate_limit",
    "lock",
    "late_event",
    "duplicate_event",
]
LimitReason = Literal["global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency"]


class Limits(BaseModel):
    """Rate limits of an account and mode; None means no limit.

    Rates are per second, counted in a sliding window; the others are requests in flight.
    """

    model_config = ConfigDict(extra="forbid")

    global_rate: int | None = None
    endpoint_rate: int | None = None
    global_concurrency: int | None = None
    endpoint_concurrency: int | None = None


class Fault(BaseModel):
    """A fault that happens on purpose.

    Attributes:
        kind: What happens; ``gone`` is the 404 of a route that does not exist, ``refuse`` any other
            error answer, ``slow`` an answer that comes some seconds after its execution,
            ``card_error`` a declined card, with the objects of the failed payment.
        endpoint: Glob over ``METHOD /v1/template``; for event faults, over the event type.
        url: Glob over path and query of requests that are refused or gone.
        expand: Glob over the fields to expand; requests without such a field are not refused.
        probability: Per request (or Stripe event).
        next: Number of requests that it still happens to; None for all.
        status: HTTP status of a server error or a refusal.
        message: Message of a refusal; code: its code, or why a card is declined.
        applied: A server error or a reset happens after the write, not before.
        reason: The limit that a 429 names.
        seconds: Delay of a late Stripe event or a slow answer.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    endpoint: str = "*"
    url: str = "*"
    expand: str | None = None
    probability: float = Field(default=1.0, ge=0, le=1)
    next: int | None = Field(default=None, ge=0)
    status: int = Field(default=500, ge=400, le=599)
    message: str = "Refused on purpose"
    code: str | None = None
    applied: bool = False
    reason: LimitReason = "global-rate"
    seconds: float = Field(default=1.0, ge=0)


class Settings(BaseModel):
    """All settings.

    Attributes:
        api_version: The default version of accounts that have none of their own.
        latency: Minimum seconds per request.
        test_limits: Limits of test mode; live_limits: of live mode.
        faults: Faults on purpose.
        seed: Seed of random ids and faults.
        newer_permission_errors: Whether a 403 names the permission as Stripe's newer answers do.
        retention_days: Days for which Stripe events can be read.
        pending_webhooks: The field of that name in Stripe events.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    api_version: str = NEWEST_VERSION
    latency: float = Field(default=0.0, ge=0)
    test_limits: Limits = Field(default_factory=Limits)
    live_limits: Limits = Field(default_factory=Limits)
    faults: list[Fault] = Field(default_factory=list)
    seed: int = 0
    newer_permission_errors: bool = False
    retention_days: int = 30
    pending_webhooks: int = 0


def stripe_limits(*, livemode: bool) -> Limits:
    """The limits that Stripe documents: 100 (live) or 25 (test) overall, 25 per endpoint."""
    return Limits(global_rate=100 if livemode else 25, endpoint_rate=25)
