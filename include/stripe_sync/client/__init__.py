"""Stripe over HTTP: authentication, pacing, retries, errors."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stripe_sync.client.credential import Credential
from stripe_sync.client.pacing import Lane, Pacer, PacingLimits, Unpaced

if TYPE_CHECKING:
    from stripe_sync.client.api import RequestStats, StripeApi, Turn
    from stripe_sync.client.budget import SharedBudget
    from stripe_sync.client.postgres_pacer import PostgresPacer
    from stripe_sync.client.retry import RetryPolicy
    from stripe_sync.client.transport import Timeouts

__all__ = [
    "Credential",
    "Lane",
    "Pacer",
    "PacingLimits",
    "PostgresPacer",
    "RequestStats",
    "RetryPolicy",
    "SharedBudget",
    "StripeApi",
    "Timeouts",
    "Turn",
    "Unpaced",
]

# The SDK and the drivers take more than a second to import. Whoever only describes a connection,
# as each parse of a DAG file does, shall not wait for them.
_HOME = {
    "PostgresPacer": "postgres_pacer",
    "RequestStats": "api",
    "RetryPolicy": "retry",
    "SharedBudget": "budget",
    "StripeApi": "api",
    "Timeouts": "transport",
    "Turn": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
