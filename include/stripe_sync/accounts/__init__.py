"""Stripe accounts: their keys (whose they are, what they may do), and the syncs kept of them."""

from __future__ import annotations

from stripe_sync.accounts.credentials.check import check_credential
from stripe_sync.accounts.credentials.describe import describe_health
from stripe_sync.accounts.credentials.health import (
    Access,
    CollectionAccess,
    CredentialHealth,
    HealthStatus,
)
from stripe_sync.accounts.credentials.restricted_key import (
    KEY_NAME,
    create_key_url,
    key_permissions,
)

__all__ = [
    "KEY_NAME",
    "Access",
    "CollectionAccess",
    "CredentialHealth",
    "HealthStatus",
    "check_credential",
    "create_key_url",
    "describe_health",
    "key_permissions",
]
