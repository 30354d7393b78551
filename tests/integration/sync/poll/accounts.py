"""Syncs of several accounts in one warehouse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from stripe_sync.client import Credential
from stripe_sync.errors import ConfigurationError
from stripe_sync.records import ids
from stripe_sync.sync.backfill.backfill import plan_backfill
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.poll.supervisor import PollSupervisor, Shard
from sync_harness import SyncHarness

SYNCS = ("north", "south", "west")
PATIENCE = 30.0
"""Seconds to wait for something that will happen."""


class Accounts:
    """Syncs of several accounts in one warehouse."""

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness
        for name in SYNCS:
            self.add(name)

    def add(self, name: str) -> None:
        """Add an account, a key for it, and a sync that is ready to be polled."""
        control = self.harness.sandbox.control
        control.add_account(f"acct_{name}")
        control.add_key(self.key(name), account=f"acct_{name}")
        plan_backfill(self.connect(name), name, ["customer"])

    def key(self, name: str) -> str:
        return f"sk_test_{name}"

    def connect(self, name: str) -> Connections:
        if name == "nowhere":
            message = f"sync {name} lacks a connection"
            raise ConfigurationError(message)
        credential = Credential(self.key(name), self.harness.sandbox.base_url)
        return replace(self.harness.connections, credential=credential)

    def change(self, name: str, text: str) -> None:
        """Create a customer in an account."""
        replace(
            self.harness, sandbox=replace(self.harness.sandbox, api_key=self.key(name))
        ).stripe.v1.customers.create({"name": text})

    def names(self, name: str) -> set[str]:
        """Names of an account's stored customers."""
        rows = self.harness.sql(
            "SELECT payload->>'name' FROM stripe_raw.records"
            " WHERE collection_id = 'stripe:customer' AND sync_id = %s",
            ids.sync_id(name),
        )
        return {row[0] for row in rows}

    def leases(self) -> int:
        """Number of syncs that are being polled."""
        query = "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_owner IS NOT NULL"
        return int(self.harness.sql(query)[0][0])

    @asynccontextmanager
    async def supervised(self, **options: Any) -> AsyncIterator[PollSupervisor]:
        """Poll beside the test."""
        supervisor = PollSupervisor(
            self.connect, options.pop("syncs", ()), options.pop("shard", Shard()), **options
        )
        work = asyncio.create_task(supervisor.run(self.harness.connections.warehouse_url, PATIENCE))
        try:
            yield supervisor
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail when it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition does not hold in time"
        time.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    """``wait_until`` beside other tasks of the loop."""
    await asyncio.to_thread(wait_until, condition)
