"""The state of an authorization: signed, and stored as a hash only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from stripe_sync.errors import ConfigurationError

_NONCE_BYTES = 24


def new_state(secret: str) -> str:
    """A new state.

    Args:
        secret: Key of the signature, the same in all processes.
    """
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    return f"{nonce}.{_signature(nonce, secret)}"


def check_state(state: str, secret: str) -> str:
    """Check the signature of a state; returns the id of its authorization.

    Raises:
        ConfigurationError: It is none of ours, or was changed.
    """
    nonce, _, signature = state.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(nonce, secret).encode()):
        message = "the state is none of ours, or was changed: start again with start-auth"
        raise ConfigurationError(message, param="state")
    return hashed(state)


def hashed(text: str) -> str:
    """What is stored instead of a state or a code."""
    return hashlib.sha256(text.encode()).hexdigest()


def _signature(nonce: str, secret: str) -> str:
    digest = hmac.new(f"stripe-oauth:{secret}".encode(), nonce.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
