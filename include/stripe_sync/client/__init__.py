"""Stripe over HTTP: authentication, pacing, retries, errors."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stripe_sync.client.credential import Credential
from stripe_sync.client.rate_limit.limits import (
    NoRateLimit,
    PacingLimits,
    Priority,
    RateLimiter,
    RequestKind,
)

if TYPE_CHECKING:
    from stripe_sync.client.api import StripeApi
    from stripe_sync.client.rate_limit.limiter import SharedRateLimiter
    from stripe_sync.client.rate_limit.store import SharedBudget
    from stripe_sync.client.retry import RetryPolicy
    from stripe_sync.client.sender import Permit, RequestStats
    from stripe_sync.client.transport import Timeouts

__all__ = [
    "Credential",
    "NoRateLimit",
    "PacingLimits",
    "Permit",
    "Priority",
    "RateLimiter",
    "RequestKind",
    "RequestStats",
    "RetryPolicy",
    "SharedBudget",
    "SharedRateLimiter",
    "StripeApi",
    "Timeouts",
]

# The SDK and the drivers take more than a second to import. Whoever only describes a connection,
# as each parse of a DAG file does, shall not wait for them.
_HOME = {
    "SharedRateLimiter": "rate_limit.limiter",
    "RequestStats": "sender",
    "RetryPolicy": "retry",
    "SharedBudget": "rate_limit.store",
    "StripeApi": "api",
    "Timeouts": "transport",
    "Permit": "sender",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
