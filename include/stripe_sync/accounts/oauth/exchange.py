"""Requests of Stripe Connect's OAuth. A code is sent once: a second use revokes the account."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from stripe_sync.client import Credential
from stripe_sync.client.credential import STRIPE_API_BASE, is_account_id
from stripe_sync.client.network import proxy_for, ssl_context
from stripe_sync.errors import ConfigurationError, StripeUnreachable
from stripe_sync.records import canonical_json

CONNECT_BASE = "https://connect.stripe.com"
SCOPE = "read_write"
"""``read_only``, Stripe's default, is for extensions."""

_SECONDS = 30.0
_LOCAL = ("localhost", "127.0.0.1", "::1")
_AGAIN = "start again with start-auth"
_LOST = (
    "Stripe's answer to the exchange of the code was lost, and a code is never sent twice, since"
    f" that would revoke the account: {_AGAIN}"
)
_REFUSALS = {
    "invalid_grant": (
        "Stripe refuses the code: it is older than five minutes, was used before, or is of another"
        f" mode or platform: {_AGAIN}"
    ),
    "invalid_client": "Stripe does not accept the platform's key for this code: check its mode",
}


def authorize_url(credential: Credential, client_id: str, *, redirect_uri: str, state: str) -> str:
    """The page on which the owner of an account approves.

    Args:
        credential: The platform's key.
        client_id: ``ca_…`` of the platform, of the mode of the key.
        redirect_uri: Where Stripe sends the browser then.
        state: Handed back by Stripe.

    Raises:
        ConfigurationError: The address is not one that Stripe accepts.
    """
    parts = urlsplit(redirect_uri)
    if credential.livemode and parts.scheme != "https" and parts.hostname not in _LOCAL:
        message = "in live mode Stripe redirects to https only: serve Airflow over https"
        raise ConfigurationError(message, param="redirect_uri")
    query = {
        "response_type": "code",
        "client_id": client_id,
        "scope": SCOPE,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    return f"{_base(credential)}/oauth/authorize?{urlencode(query)}"


def exchange_code(credential: Credential, code: str) -> str:
    """Exchange an authorization code, with one request.

    The tokens of the answer are deprecated and not kept: the platform's key acts on the account.

    Args:
        credential: The platform's key.
        code: The code; claim it first.

    Returns:
        ``acct_…`` of the account.

    Raises:
        ConfigurationError: Stripe refuses the code or the key.
        StripeUnreachable: The answer was lost; the code is used up.
    """
    form = {"grant_type": "authorization_code", "code": code}
    headers = {"Authorization": f"Bearer {credential.api_key}"}
    try:
        with httpx.Client(
            proxy=proxy_for(credential),
            verify=ssl_context(credential),
            trust_env=False,
            timeout=_SECONDS,
        ) as client:
            response = client.post(f"{_base(credential)}/oauth/token", data=form, headers=headers)
        answer = canonical_json.loads(response.content)
    except (httpx.HTTPError, ValueError):
        raise StripeUnreachable(_LOST) from None  # their messages and bodies may have secrets
    return _account(response.status_code, answer, credential)


def _base(credential: Credential) -> str:
    is_stripe = credential.api_base == STRIPE_API_BASE
    return CONNECT_BASE if is_stripe else credential.api_base


def _account(status: int, answer: Any, credential: Credential) -> str:
    found = answer if isinstance(answer, dict) else {}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise StripeUnreachable(_LOST)
    if status != HTTPStatus.OK:
        refusal = f"Stripe refuses the exchange of the code with status {status}: {_AGAIN}"
        message = _REFUSALS.get(str(found.get("error")), refusal)
        raise ConfigurationError(message, param="code")
    account = str(found.get("stripe_user_id"))
    if not is_account_id(account) or found.get("livemode") is not credential.livemode:
        message = f"Stripe's answer names no account of the platform key's mode: {_AGAIN}"
        raise ConfigurationError(message, param="code")
    return account
