"""One process polls many syncs: each for itself, none held up by another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from stripe_sync.client import Credential
from stripe_sync.errors import AuthenticationError, ConfigurationError
from stripe_sync.records import ids
from stripe_sync.sync.backfill.backfill import plan_backfill
from stripe_sync.sync.connections import Connections, SyncSettings
from stripe_sync.sync.poll.cadence import Cadence
from stripe_sync.sync.poll.supervisor import PollSupervisor, Shard, poll_for
from stripe_sync.warehouse import Warehouse
from sync_harness import FAST, SyncHarness, unthrottled

SYNCS = ("north", "south", "west")
PATIENCE = 30.0


class Accounts:
    """Syncs of several accounts in one warehouse."""

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness
        for name in SYNCS:
            self.add(name)

    def add(self, name: str) -> None:
        """An account, a key for it, and a sync that is ready to be polled."""
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
        """Make a customer in an account."""
        replace(
            self.harness, sandbox=replace(self.harness.sandbox, api_key=self.key(name))
        ).stripe.v1.customers.create({"name": text})

    def names(self, name: str) -> set[str]:
        """What arrived of an account's customers."""
        rows = self.harness.sql(
            "SELECT payload->>'name' FROM stripe_raw.records"
            " WHERE collection_id = 'stripe:customer' AND sync_id = %s",
            ids.sync_id(name),
        )
        return {row[0] for row in rows}

    def warehouse(self) -> Warehouse:
        return Warehouse(self.harness.connections.warehouse_url)

    @asynccontextmanager
    async def watching(self, **options: Any) -> AsyncIterator[PollSupervisor]:
        """Poll in the background."""
        watch = PollSupervisor(
            self.connect, options.pop("syncs", ()), options.pop("shard", Shard()), **options
        )
        work = asyncio.create_task(watch.run(self.harness.connections.warehouse_url, PATIENCE))
        try:
            yield watch
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


@pytest.fixture
def accounts(harness: SyncHarness) -> Accounts:
    return Accounts(unthrottled(harness))


async def until(happened: Callable[[], bool]) -> None:
    """Wait until it happened; fail when it does not."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(happened):
            await asyncio.sleep(0.05)


def test_all_active_syncs_are_polled(accounts: Accounts) -> None:
    async def run() -> None:
        async with accounts.watching():
            for name in SYNCS:
                await asyncio.to_thread(accounts.change, name, name)
            await until(lambda: all(accounts.names(name) == {name} for name in SYNCS))

    asyncio.run(run())
    leases = accounts.harness.sql(
        "SELECT count(*) FROM stripe_sync.poll_state WHERE lease_owner IS NOT NULL"
    )
    assert leases == [(0,)]


def test_one_that_fails_does_not_hold_up_the_others(accounts: Accounts) -> None:
    control = accounts.harness.sandbox.control
    control.remove_key(accounts.key("south"))

    async def run() -> None:
        async with accounts.watching():
            await asyncio.to_thread(accounts.change, "north", "north")
            await until(lambda: accounts.names("north") == {"north"})
            await until(lambda: bool(message()))

    def message() -> str | None:
        rows = accounts.harness.sql(
            "SELECT message FROM stripe_sync.poll_state WHERE sync_id = %s", ids.sync_id("south")
        )
        found: str | None = rows[0][0]
        return found

    asyncio.run(run())
    told = message()
    assert told is not None
    assert "does not accept the API key" in told
    assert accounts.key("south") not in told

    control.add_key(accounts.key("south"), account="acct_south")
    accounts.change("south", "south")
    poll_for(accounts.connect, accounts.harness.connections.warehouse_url, seconds=1.5)
    assert accounts.names("south") == {"south"}
    assert message() is None


def test_when_none_can_be_polled_the_run_ends(accounts: Accounts) -> None:
    control = accounts.harness.sandbox.control
    for name in SYNCS:
        control.remove_key(accounts.key(name))
    with pytest.raises(AuthenticationError):
        poll_for(accounts.connect, accounts.harness.connections.warehouse_url, seconds=60)
    with pytest.raises(ConfigurationError, match="nowhere"):
        poll_for(
            accounts.connect,
            accounts.harness.connections.warehouse_url,
            seconds=60,
            syncs=["nowhere"],
        )


def test_a_sync_is_added_paused_and_resumed_while_it_runs(accounts: Accounts) -> None:
    def polls(name: str) -> bool:
        rows = accounts.harness.sql(
            "SELECT lease_owner IS NOT NULL FROM stripe_sync.poll_state WHERE sync_id = %s",
            ids.sync_id(name),
        )
        return bool(rows and rows[0][0])

    async def run() -> None:
        with accounts.warehouse() as warehouse:
            async with accounts.watching():
                await until(lambda: all(polls(name) for name in SYNCS))
                await asyncio.to_thread(accounts.add, "east")
                await until(lambda: polls("east"))
                await asyncio.to_thread(warehouse.syncs.set_status, "east", "paused")
                await until(lambda: not polls("east"))
                await asyncio.to_thread(accounts.change, "east", "meanwhile")
                await asyncio.to_thread(warehouse.syncs.set_status, "east", "active")
                await until(lambda: accounts.names("east") == {"meanwhile"})
                with psycopg.connect(accounts.harness.connections.warehouse_url) as connection:
                    connection.execute("DELETE FROM stripe_sync.syncs WHERE name = 'east'")
                await asyncio.to_thread(accounts.change, "west", "still")
                await until(lambda: accounts.names("west") == {"still"})

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_share_all_syncs_among_them(count: int) -> None:
    names = [f"sync{number}" for number in range(100)]
    shards = [Shard(number, count) for number in range(count)]
    assert all(sum(shard.holds(name) for shard in shards) == 1 for name in names)
    assert all(any(shard.holds(name) for name in names) for shard in shards)


def test_a_poller_whose_lease_was_taken_over_stops(accounts: Accounts) -> None:
    """It commits nothing more, and the other one goes on."""
    sync = ids.sync_id("north")
    takeover = (
        "UPDATE stripe_sync.poll_state SET lease_owner = 'other',"
        " lease_until = now() + interval '1 hour' WHERE sync_id = %s AND lease_owner IS NOT NULL"
        " RETURNING 1"
    )

    async def run() -> None:
        async with accounts.watching() as watch:
            await until(lambda: bool(accounts.harness.sql(takeover, sync)))
            await asyncio.to_thread(accounts.change, "north", "too late")
            await asyncio.to_thread(accounts.change, "south", "south")
            await until(lambda: accounts.names("south") == {"south"})
            await until(lambda: watch.failing("north"))

    asyncio.run(run())
    assert accounts.names("north") == set()
    owner = "SELECT lease_owner FROM stripe_sync.poll_state WHERE sync_id = %s"
    assert accounts.harness.sql(owner, sync) == [("other",)]


def test_a_adaptive_sync_waits_longer_and_longer_while_nothing_happens() -> None:
    settings = SyncSettings(cadence="adaptive", longest_poll_interval=60)
    cadence = Cadence(settings, 0.5)
    waits = []
    for _ in range(40):
        cadence.note(found=False)
        waits.append(cadence.seconds)
    assert waits == sorted(waits)
    assert waits[-1] == 60
    cadence.note(found=True)
    assert cadence.seconds == 0.5
    fixed = Cadence(FAST, 0.5)
    fixed.note(found=False)
    assert fixed.seconds == 0.5


def test_a_month_of_the_longest_interval_stays_within_what_stripe_allots() -> None:
    """10,000 reads are allotted to every account, transactions or not."""
    assert 30 * 86_400 / SyncSettings().longest_poll_interval < 10_000
