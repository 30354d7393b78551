"""The whole sandbox in memory: accounts, keys, stores, clock, settings."""

from __future__ import annotations

import random
import time
from base64 import b64encode
from dataclasses import dataclass, field

from stripe_sandbox.entries import Doc
from stripe_sandbox.errors import ApiError
from stripe_sandbox.eventlog import EventLog
from stripe_sandbox.generate import blank
from stripe_sandbox.idempotency import IdempotencyKeys
from stripe_sandbox.meter import Meter
from stripe_sandbox.settings import Settings
from stripe_sandbox.store import AccountStore

ACCOUNT = "acct_1SandboxShop0001"
TEST_KEY = "sk_test_sandbox"
LIVE_KEY = "sk_live_sandbox"


class Clock:
    """The sandbox's time: the machine's, moved or stopped."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.frozen: float | None = None

    def now(self) -> float:
        """Seconds since 1970."""
        return self.frozen if self.frozen is not None else time.time_ns() / 1e9 + self.offset

    def advance(self, seconds: float) -> None:
        """Move forward (or back)."""
        if self.frozen is not None:
            self.frozen += seconds
        self.offset += seconds


@dataclass(frozen=True, slots=True)
class Key:
    """What an API key opens; ``permissions`` None means everything."""

    account: str
    livemode: bool
    permissions: frozenset[str] | None = None


@dataclass(slots=True)
class Mode:
    """One account in one mode: its objects and everything that is counted per account."""

    store: AccountStore
    log: EventLog
    meter: Meter = field(default_factory=Meter)
    idempotency: IdempotencyKeys = field(default_factory=IdempotencyKeys)


class State:
    """Everything the sandbox knows.

    Args:
        settings: What is set at the start.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = Clock()
        self.random = random.Random(self.settings.seed)  # noqa: S311 - chances, no secrets
        self.versions: dict[str, str | None] = {}
        self.keys: dict[str, Key] = {}
        self.modes: dict[tuple[str, bool], Mode] = {}
        self.add_account(ACCOUNT)
        self.add_key(TEST_KEY, ACCOUNT)
        self.add_key(LIVE_KEY, ACCOUNT)

    def connect(self, key: Key, account: str) -> bool:
        """Open an account that is among the connected ones of a key's account."""
        mode = self.modes[key.account, key.livemode]
        entry = mode.store["account"].by_id.get(account)
        if entry is None:
            return False
        self.add_account(account)
        self.modes[account, key.livemode].store["account"].put(entry.doc())
        return True

    def list_connected(self, account: str) -> None:
        """Show an account among the connected ones of the first account."""
        for livemode in (False, True):
            doc = self.modes[account, livemode].store["account"].by_id[account].doc()
            self.modes[ACCOUNT, livemode].store["account"].put(doc)

    def add_account(self, account: str, api_version: str | None = None) -> None:
        """Open an account, in both modes; ``api_version`` is its default, if it has its own."""
        self.versions[account] = api_version
        for livemode in (False, True):
            store = AccountStore(account, livemode=livemode)
            store["account"].put(self._account(account, store))
            self.modes[account, livemode] = Mode(store, EventLog(self, store))

    def _account(self, account: str, store: AccountStore) -> Doc:
        doc = blank("account", account, int(self.clock.now()), store)
        doc.update(country="US", default_currency="usd", charges_enabled=True, type="standard")
        doc.update(details_submitted=True, payouts_enabled=True, email="owner@example.com")
        return doc

    def add_key(self, key: str, account: str, permissions: frozenset[str] | None = None) -> None:
        """Register a key; its mode is in its name.

        Raises:
            ApiError: 400, there is no such account.
        """
        if account not in self.versions:
            raise ApiError(400, f"No such account: '{account}'", param="account")
        self.keys[key] = Key(account, "_live_" in key, permissions)

    def default_version(self, account: str) -> str:
        """The version of requests without a header, and of Stripe events."""
        return self.versions[account] or self.settings.api_version

    def new_id(self, prefix: str, length: int = 24) -> str:
        """An id that nothing else has; ids do not grow with time."""
        noise = b64encode(self.random.randbytes(length), altchars=b"Qz").decode("ascii")
        return prefix + noise[:length]


class StateHolder:
    """The one place where the current state is; a reset puts a new one there."""

    def __init__(self, state: State) -> None:
        self.state = state
