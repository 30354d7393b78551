"""Which account a key is for: learnt from whatever the key may read."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stripe_sync.client.api import StripeApi
from stripe_sync.client.credential import Credential
from stripe_sync.client.error_mapping import NO_SUCH_ACCOUNT
from stripe_sync.client.rate_limit.limits import Priority
from stripe_sync.errors import (
    AccountDisconnected,
    AuthenticationError,
    ConfigurationError,
    EndpointUnavailable,
    InvalidRequest,
    NotFound,
    PermissionDenied,
)

log = logging.getLogger(__name__)

_ACCOUNT_PATH, _INVOICES_PATH = "/v1/account", "/v1/invoices"
_INVOICE_URL = re.compile(r"//invoice\.stripe\.com/i/(acct_\w+)/", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """The account that a key acts on.

    Attributes:
        account: ``acct_…``; None where nothing that the key may read names it.
        name: What its Dashboard shows; None where the key may not read it, or there is none.
    """

    account: str | None
    name: str | None = None


def key_problem(error: Exception | None) -> Literal["refused", "limited"] | None:
    """What an error shows of the key: Stripe refuses it, or it lacks a permission.

    Returns:
        None for an error that is not about the key.
    """
    if isinstance(error, (AuthenticationError, AccountDisconnected)):
        return "refused"
    return "limited" if isinstance(error, PermissionDenied) else None


async def fetch_identity(api: StripeApi, credential: Credential) -> Identity:
    """The account of a key: from the account itself, its refusal, or an invoice.

    That a key may not read ``/v1/account`` says nothing about its account. A connected account is
    known beforehand; a refusal may name the platform's.

    Raises:
        AuthenticationError: Stripe refuses the key.
        AccountDisconnected: The key has no access to the connected account.
        ConfigurationError: Stripe answers for another account than the connected one.
        StripeError: Stripe cannot be reached.
    """
    account: object = None
    try:
        answer = await api.get(_ACCOUNT_PATH, priority=Priority.LIVE)
    except PermissionDenied as error:
        if error.code == NO_SUCH_ACCOUNT:
            raise
        log.warning("The key may not read its account, which is needed for nothing else: %s", error)
        account = error.account
    except (NotFound, EndpointUnavailable) as error:
        account = error.account
    else:
        if isinstance(account := answer.get("id"), str):
            return Identity(_checked(account, credential), name_of(answer))
    if credential.account:
        return Identity(credential.account)
    if isinstance(account, str):
        return Identity(account)
    return Identity(await _account_of_an_invoice(api))


def _checked(account: str, credential: Credential) -> str:
    """The account that Stripe answered for.

    Raises:
        ConfigurationError: It is not the one that was asked for.
    """
    if credential.account not in (None, account):
        message = (
            f"Stripe was asked for the connected account {credential.account} and answered for "
            f"{account}: something between here and Stripe drops the header Stripe-Account"
        )
        raise ConfigurationError(message)
    return account


def name_of(account: Mapping[str, Any]) -> str | None:
    """What the Dashboard shows as the name of an account, as far as it has one."""
    dashboard = (account.get("settings") or {}).get("dashboard") or {}
    profile = account.get("business_profile") or {}
    return dashboard.get("display_name") or profile.get("name") or None


async def _account_of_an_invoice(api: StripeApi) -> str | None:
    try:
        page = await api.get(_INVOICES_PATH, params={"limit": 1}, priority=Priority.LIVE)
    except (PermissionDenied, NotFound, EndpointUnavailable, InvalidRequest) as error:
        return error.account
    match = _INVOICE_URL.search(str(page.get("data")))
    return match[1] if match else None
