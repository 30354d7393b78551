"""What can be set while the sandbox runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stripe_sandbox.rows import PIN

FaultKind = Literal[
    "server_error",
    "gone",
    "reset",
    "truncate",
    "rate_limit",
    "lock",
    "late_event",
    "duplicate_event",
]
LimitReason = Literal["global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency"]


class Limits(BaseModel):
    """Requests that an account and mode may make; None does not limit.

    Rates are per second, counted in a sliding window; the others are requests in flight.
    """

    model_config = ConfigDict(extra="forbid")

    global_rate: int | None = None
    endpoint_rate: int | None = None
    global_concurrency: int | None = None
    endpoint_concurrency: int | None = None


class Fault(BaseModel):
    """Something that goes wrong.

    Attributes:
        kind: What happens; a route that is gone answers as one that never was.
        endpoint: Glob over ``METHOD /v1/template``; over the Stripe event's type for event faults.
        probability: Chance per request (or Stripe event).
        next: Only the next so many; None for all.
        status: HTTP status of a server error.
        applied: A server error strikes after the write was made, not before.
        reason: Which limit a 429 names.
        seconds: How late a late Stripe event shows up.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    endpoint: str = "*"
    probability: float = Field(default=1.0, ge=0, le=1)
    next: int | None = Field(default=None, ge=0)
    status: int = Field(default=500, ge=500, le=599)
    applied: bool = False
    reason: LimitReason = "global-rate"
    seconds: float = Field(default=1.0, ge=0)


class Settings(BaseModel):
    """Everything that can be set.

    Attributes:
        api_version: The default version of accounts that have none of their own.
        latency: Seconds that every request takes at least.
        test_limits: Limits of test mode; live_limits: of live mode.
        faults: What goes wrong.
        seed: Seed of ids and of chances.
        retention_days: How long Stripe events can be read.
        pending_webhooks: What Stripe events say about their delivery.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    api_version: str = PIN
    latency: float = Field(default=0.0, ge=0)
    test_limits: Limits = Field(default_factory=Limits)
    live_limits: Limits = Field(default_factory=Limits)
    faults: list[Fault] = Field(default_factory=list)
    seed: int = 0
    retention_days: int = 30
    pending_webhooks: int = 0


def stripe_limits(*, livemode: bool) -> Limits:
    """The limits that Stripe documents: 100 (live) or 25 (test) overall, 25 per endpoint."""
    return Limits(global_rate=100 if livemode else 25, endpoint_rate=25)
