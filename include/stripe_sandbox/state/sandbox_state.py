"""The state of a sandbox: its accounts with their objects, and its API keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stripe_sandbox.connect.grants import Grants
from stripe_sandbox.errors import ApiError
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.requests.idempotency import IdempotencyKeys
from stripe_sandbox.requests.rate_limits import RequestMeter
from stripe_sandbox.settings import Settings
from stripe_sandbox.state.environment import Environment
from stripe_sandbox.state.event_log import EventLog
from stripe_sandbox.storage.account_store import AccountStore
from stripe_sandbox.storage.stored_object import Doc

ACCOUNT = "acct_1SandboxShop0001"
TEST_KEY = "sk_test_sandbox"
LIVE_KEY = "sk_live_sandbox"


KeyTrouble = Literal["expired", "address"]
"""Why a key that exists is refused: it expired, or the caller's IP address is not in its list."""


@dataclass(frozen=True, slots=True)
class Key:
    """What an API key gives access to; ``permissions`` None means everything."""

    account: str
    livemode: bool
    permissions: frozenset[str] | None = None
    trouble: KeyTrouble | None = None


@dataclass(slots=True)
class Mode:
    """One account in one mode: its objects, its Stripe events and its counters."""

    store: AccountStore
    log: EventLog
    meter: RequestMeter = field(default_factory=RequestMeter)
    idempotency: IdempotencyKeys = field(default_factory=IdempotencyKeys)


class State(Environment):
    """Everything that a sandbox keeps in memory.

    Args:
        settings: The settings at the start.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.keys: dict[str, Key] = {}
        self.modes: dict[tuple[str, bool], Mode] = {}
        self.grants = Grants()
        self.add_account(ACCOUNT)
        self.add_key(TEST_KEY, ACCOUNT)
        self.add_key(LIVE_KEY, ACCOUNT)

    def open_connected_account(self, key: Key, account: str) -> bool:
        """Whether an account is among the connected ones of a key's account; adds a new one."""
        mode = self.modes[key.account, key.livemode]
        stored = mode.store["account"].by_id.get(account)
        if stored is None:
            return False
        if account in self.versions:
            return True
        self.add_account(account)
        self.modes[account, key.livemode].store["account"].put(stored.doc())
        return True

    def list_connected(self, account: str) -> None:
        """Add an account to the connected ones of the first account."""
        for livemode in (False, True):
            doc = self.modes[account, livemode].store["account"].by_id[account].doc()
            self.modes[ACCOUNT, livemode].store["account"].put(doc)

    def disconnect(self, account: str) -> bool:
        """Take an account out of the connected ones of the first account, as its owner can.

        Returns:
            Whether it was one of them.
        """
        stores = [self.modes[ACCOUNT, livemode].store["account"] for livemode in (False, True)]
        found = any(account in store.by_id for store in stores)
        for store in stores:
            if account in store.by_id:
                store.remove(account)
        return found

    def add_account(self, account: str, api_version: str | None = None) -> None:
        """Add an account in both modes; ``api_version`` None means the settings' version."""
        self.versions[account] = api_version
        for livemode in (False, True):
            store = AccountStore(account, livemode=livemode)
            store["account"].put(self._account(account, store))
            self.modes[account, livemode] = Mode(store, EventLog(self, store))

    def _account(self, account: str, store: AccountStore) -> Doc:
        doc = blank_object("account", account, int(self.clock.now()), store)
        doc.update(country="US", default_currency="usd", charges_enabled=True, type="standard")
        doc.update(details_submitted=True, payouts_enabled=True, email="owner@example.com")
        return doc

    def add_key(
        self,
        key: str,
        account: str,
        permissions: frozenset[str] | None = None,
        trouble: KeyTrouble | None = None,
    ) -> None:
        """Add a key; its mode is in its name.

        Raises:
            ApiError: 400, there is no such account.
        """
        if account not in self.versions:
            raise ApiError(400, f"No such account: '{account}'", param="account")
        self.keys[key] = Key(account, "_live_" in key, permissions, trouble)


class StateHolder:
    """Holds the current state, which a reset replaces."""

    def __init__(self, state: State) -> None:
        self.state = state
