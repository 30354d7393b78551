"""The key that opens one Stripe account."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from stripe_sync.errors import ConfigurationError

STRIPE_API_BASE = "https://api.stripe.com"

_KEY = re.compile(r"[sr]k_(?:[a-z]+_)?(?P<mode>live|test)_\w+", re.ASCII)
_ACCOUNT = re.compile(r"acct_\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request needs to act on one account.

    Attributes:
        api_key: Secret (``sk_``) or restricted (``rk_``) key; never shown.
        api_base: Scheme and host of the API, without a path.
        account: ``acct_…`` of a connected account to act on, None for the key's own.

    Raises:
        ConfigurationError: One of them cannot be right, or a live key would travel unencrypted.
    """

    api_key: str = field(repr=False)
    api_base: str = STRIPE_API_BASE
    account: str | None = None

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.api_key):
            message = (
                "the Stripe API key must be a secret or restricted key: sk_test_…, sk_live_…, "
                "rk_test_… or rk_live_…, without spaces"
            )
            raise ConfigurationError(message)
        if self.account is not None and not _ACCOUNT.fullmatch(self.account):
            message = f"the connected account must be an id such as acct_123, not {self.account!r}"
            raise ConfigurationError(message)
        object.__setattr__(self, "api_base", self._checked_base())

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        match = _KEY.fullmatch(self.api_key)
        return match is not None and match["mode"] == "live"

    @property
    def host(self) -> str:
        """Host (and port) of the API, for messages."""
        return urlsplit(self.api_base).netloc

    def _checked_base(self) -> str:
        base = self.api_base.rstrip("/")
        parts = urlsplit(base)
        bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
        if parts.scheme not in ("http", "https") or not parts.hostname or not bare:
            message = f"the API base must be scheme and host such as {STRIPE_API_BASE}"
            raise ConfigurationError(message)
        if self.livemode and parts.scheme == "http" and not _is_loopback(parts.hostname):
            message = f"a live key is sent over https only, not to http://{parts.netloc}"
            raise ConfigurationError(message)
        return base


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
