"""The key that opens one Stripe account, and how its API is reached."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from stripe_sync.errors import ConfigurationError

STRIPE_API_BASE = "https://api.stripe.com"

Mode = Literal["live", "test"]

_KEY = re.compile(r"[sr]k_(?P<mode>live|test)_\w+", re.ASCII)
_ACCOUNT = re.compile(r"acct_\w+", re.ASCII)
_EXPECTED = (
    "the Stripe API key must be a secret or restricted key: sk_test_…, sk_live_…, "
    "rk_test_… or rk_live_…, without spaces"
)
_OTHER_SECRETS = {
    "pk_": "a publishable key, which is for browsers and reads nothing",
    "sk_org": (
        "a key of an organization, which acts on several accounts: make a key in the account itself"
    ),
    "ek_": "an ephemeral key, which is for one mobile app and ends within the hour",
    "whsec_": "the signing secret of a webhook endpoint",
    "ac_": "the authorization code of a Connect callback",
    "ca_": "the client id of a Connect platform or app",
    "acct_": "the id of an account",
}


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request needs to act on one account.

    Attributes:
        api_key: Secret (``sk_``) or restricted (``rk_``) key; never shown.
        api_base: Scheme and host of the API, without a path.
        account: ``acct_…`` of a connected account to act on, None for the key's own.
        mode: The mode that the key must be for, None for either.
        proxy: ``http://user:password@host:port``; None for that of the environment. Never shown.
        ca_bundle: PEM file, or folder, of certificate authorities; None for the environment's.

    Raises:
        ConfigurationError: One of them cannot be right, the key is for the other mode, or a live
            key would travel unencrypted; ``param`` has the name of the field.
    """

    api_key: str = field(repr=False)
    api_base: str = STRIPE_API_BASE
    account: str | None = None
    mode: Mode | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.api_key):
            raise ConfigurationError(_why_no_key(self.api_key), param="api_key")
        if self.account is not None and not is_account_id(self.account):
            message = "the connected account must be an id such as acct_123"
            raise ConfigurationError(message, param="account")
        self._check_mode()
        object.__setattr__(self, "api_base", self._checked_base())

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        match = _KEY.fullmatch(self.api_key)
        return match is not None and match["mode"] == "live"

    @property
    def restricted(self) -> bool:
        """Whether the key has only the permissions that it was given."""
        return self.api_key.startswith("rk_")

    @property
    def host(self) -> str:
        """Host (and port) of the API, for messages."""
        return urlsplit(self.api_base).netloc

    def _check_mode(self) -> None:
        if self.mode not in (None, "live", "test"):
            message = f"the mode of a Stripe key is live or test, not {self.mode!r}"
            raise ConfigurationError(message, param="mode")
        of_key = "live" if self.livemode else "test"
        if self.mode not in (None, of_key):
            message = (
                f"this is a {of_key} mode key, and a {self.mode} mode key is expected here: use "
                f"one that begins with rk_{self.mode}_ or sk_{self.mode}_, or change the expected "
                "mode"
            )
            raise ConfigurationError(message, param="mode")

    def _checked_base(self) -> str:
        base = self.api_base.rstrip("/")
        parts = urlsplit(base)
        bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
        if parts.scheme not in ("http", "https") or not parts.hostname or not bare:
            message = f"the API base must be scheme and host such as {STRIPE_API_BASE}"
            raise ConfigurationError(message, param="api_base")
        if self.livemode and parts.scheme == "http" and not _is_loopback(parts.hostname):
            message = f"a live key is sent over https only, not to http://{parts.netloc}"
            raise ConfigurationError(message, param="api_base")
        return base


def is_account_id(text: str) -> bool:
    """Whether a text may be the id of an account."""
    return _ACCOUNT.fullmatch(text) is not None


def _why_no_key(text: str) -> str:
    """Why a text is no key for this; it is not repeated, since it may be another secret."""
    stripped = text.strip()
    if _KEY.fullmatch(stripped):
        return "there are blanks or line breaks before or after the Stripe API key: remove them"
    for beginning, kind in _OTHER_SECRETS.items():
        if stripped.startswith(beginning):
            return f"this is {kind}; {_EXPECTED}"
    return _EXPECTED


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
