"""Checks API keys and their permissions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace

from stripe_sandbox.errors import ApiError
from stripe_sandbox.requests.router import Match
from stripe_sandbox.state.sandbox_state import Key, State

_PREFIX_LENGTH = len("sk_test_")


def mask_key(key: str) -> str:
    """The prefix of a key, for messages."""
    return f"{key[:_PREFIX_LENGTH]}***"


def authenticate(state: State, headers: Mapping[str, str]) -> Key:
    """The API key of a request, for the account that it acts on.

    Raises:
        ApiError: 401 no or unknown key; 403 the key has no access to the account.
    """
    text = key_in_header(headers.get("authorization", ""))
    if not text:
        raise ApiError(
            401,
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            "YOUR_SECRET_KEY').",
        )
    key = state.keys.get(text)
    _refuse_key(text, key)
    assert key is not None  # noqa: S101 - an unknown key was refused
    account = headers.get("stripe-account")
    if account is None or account == key.account:
        return key
    known = state.open_connected_account(key, account)
    if not known or (account, key.livemode) in state.grants.revoked:
        raise ApiError(
            403,
            f"The provided key '{mask_key(text)}' does not have access to account '{account}' (or "
            "that account does not exist). Application access may have been revoked.",
            code="account_invalid",
        )
    return replace(key, account=account)


def authorize(key: Key, match: Match, method: str, *, newer: bool = False) -> None:
    """Refuse a request that a restricted key has no permission for.

    Raises:
        ApiError: 403; the message names the missing permission, in newer answers without ``rak_``.
    """
    if key.permissions is None:
        return
    permission = match.route.permission
    needed = f"rak_{permission}_{'read' if method == 'GET' else 'write'}"
    write = f"rak_{permission}_write"
    if needed in key.permissions or write in key.permissions:
        return
    mode = "live" if key.livemode else "test"
    if newer:
        title = f"{permission.replace('_', ' ').title()} {'Read' if method == 'GET' else 'Write'}"
        raise ApiError(
            403,
            f"The provided key 'rk_{mode}_***' does not have the required permissions for this "
            f"endpoint on account '{key.account}'. Enabling \"{title}\" "
            f"('{needed.removeprefix('rak_')}') permissions would allow this request to continue.",
            code="more_permissions_required",
        )
    raise ApiError(
        403,
        f"The provided key 'rk_{mode}_***' does not have the required permissions for this "
        f"endpoint on account '{key.account}'. Having the '{needed}' permission would allow "
        "this request to continue.",
    )


def _refuse_key(text: str, key: Key | None) -> None:
    """Refuse what is no key for this API, or one that may not be used now or from here.

    Raises:
        ApiError: 401.
    """
    if text.startswith("pk_"):
        raise ApiError(
            401,
            "This API call cannot be made with a publishable API key. Please use a secret API key. "
            "You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
            code="secret_key_required",
        )
    if key is None:
        raise ApiError(401, f"Invalid API Key provided: {mask_key(text)}")
    if key.trouble == "expired":
        message = f"Expired API Key provided: {mask_key(text)}"
        raise ApiError(401, message, code="api_key_expired")
    if key.trouble == "address":
        raise ApiError(
            401,
            f"The API key provided ({mask_key(text)}) does not allow requests from your IP "
            "address.",
        )


def key_in_header(header: str) -> str:
    """The API key of an ``Authorization`` header; empty if there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode("utf-8").partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
