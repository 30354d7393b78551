"""One process polls many syncs; none delays another."""

from __future__ import annotations

import asyncio
import sys

import psycopg
import pytest

from integration.sync.poll.accounts import SYNCS, Accounts, until
from stripe_sync import update_sync
from stripe_sync.errors import AuthenticationError, ConfigurationError
from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.poll.supervisor import Shard, poll_for


def test_all_active_syncs_are_polled(accounts: Accounts) -> None:
    async def run() -> None:
        async with accounts.supervised():
            for name in SYNCS:
                await asyncio.to_thread(accounts.change, name, name)
            await until(lambda: all(accounts.names(name) == {name} for name in SYNCS))

    asyncio.run(run())
    assert accounts.leases() == 0


def test_a_sync_that_fails_does_not_delay_the_others(accounts: Accounts) -> None:
    control = accounts.harness.sandbox.control
    control.remove_key(accounts.key("south"))

    async def run() -> None:
        async with accounts.supervised():
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
    stored = message()
    assert stored is not None
    assert "does not accept the API key" in stored
    assert accounts.key("south") not in stored

    control.add_key(accounts.key("south"), account="acct_south")
    accounts.change("south", "south")
    poll_for(accounts.connect, accounts.harness.connections.warehouse_url, seconds=1.5)
    assert accounts.names("south") == {"south"}
    assert message() is None


def test_no_exception_of_one_sync_ends_the_polling_of_others(accounts: Accounts) -> None:
    class Odd(Accounts):
        """South and west fail in ways that nobody has thought of."""

        def __init__(self) -> None:
            self.harness = accounts.harness

        def connect(self, name: str) -> Connections:
            if name == "south":
                sys.exit("a library that ends the process")
            if name == "west":
                raise ExceptionGroup("several", [KeyError("data"), RecursionError("too deep")])
            return super().connect(name)

    odd = Odd()

    async def run() -> None:
        async with odd.supervised() as supervisor:
            await until(lambda: len(supervisor.health().failing) == 2)
            await asyncio.to_thread(odd.change, "north", "north")
            await until(lambda: odd.names("north") == {"north"})

    asyncio.run(run())
    messages = accounts.harness.sql(
        "SELECT message FROM stripe_sync.poll_state WHERE message IS NOT NULL ORDER BY 1"
    )
    assert "ExceptionGroup" in messages[0][0]
    assert "SystemExit" in messages[1][0]


def test_a_run_ends_when_no_sync_can_be_polled(accounts: Accounts) -> None:
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


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_a_short_run_polls_once_or_raises(accounts: Accounts, seconds: float) -> None:
    """A run never ends as a success without a poll."""
    url = accounts.harness.connections.warehouse_url
    assert poll_for(accounts.connect, url, seconds=seconds, syncs=["north"]).polls > 0
    accounts.harness.sandbox.control.remove_key(accounts.key("north"))
    with pytest.raises(AuthenticationError):
        poll_for(accounts.connect, url, seconds=seconds, syncs=["north"])


def test_a_shard_polls_its_part_of_named_syncs(accounts: Accounts) -> None:
    url = accounts.harness.connections.warehouse_url
    shards = [Shard(0, 2), Shard(1, 2)]
    poll_for(accounts.connect, url, seconds=0, syncs=SYNCS, shard=shards[0])
    polled = accounts.harness.sql("SELECT sync_id FROM stripe_sync.poll_state WHERE polls > 0")
    assert {row[0] for row in polled} == {ids.sync_id(n) for n in SYNCS if shards[0].holds(n)}
    assert 0 < len(polled) < len(SYNCS)
    poll_for(accounts.connect, url, seconds=0, syncs=SYNCS, shard=shards[1])
    query = "SELECT count(*) FROM stripe_sync.poll_state WHERE polls > 0"
    assert accounts.harness.sql(query) == [(len(SYNCS),)]


def test_a_sync_is_added_paused_and_resumed_while_it_runs(accounts: Accounts) -> None:
    def polls(name: str) -> bool:
        rows = accounts.harness.sql(
            "SELECT lease_owner IS NOT NULL FROM stripe_sync.poll_state WHERE sync_id = %s",
            ids.sync_id(name),
        )
        return bool(rows and rows[0][0])

    def execute(statement: str) -> None:
        with psycopg.connect(accounts.harness.connections.warehouse_url) as connection:
            connection.execute(f"{statement} WHERE name = 'east'".encode())

    async def run() -> None:
        async with accounts.supervised():
            await until(lambda: all(polls(name) for name in SYNCS))
            await asyncio.to_thread(accounts.add, "east")
            await until(lambda: polls("east"))
            await asyncio.to_thread(execute, "UPDATE stripe_sync.syncs SET status = 'paused'")
            await until(lambda: not polls("east"))
            await asyncio.to_thread(accounts.change, "east", "meanwhile")
            await asyncio.to_thread(execute, "UPDATE stripe_sync.syncs SET status = 'active'")
            await until(lambda: accounts.names("east") == {"meanwhile"})
            await asyncio.to_thread(execute, "DELETE FROM stripe_sync.syncs")
            await asyncio.to_thread(accounts.change, "west", "still")
            await until(lambda: accounts.names("west") == {"still"})

    asyncio.run(run())


def test_a_collection_that_is_added_while_it_runs_is_polled(accounts: Accounts) -> None:
    """Named syncs as well: what was passed over a moment ago is in the lookback."""
    url = accounts.harness.connections.warehouse_url
    update_sync(url, "north", collections=["product"])

    async def run() -> None:
        async with accounts.supervised() as supervisor:
            await until(lambda: supervisor.health().report.polls > 0)
            await asyncio.to_thread(accounts.change, "north", "Ada")
            await asyncio.to_thread(accounts.change, "south", "Ben")
            await until(lambda: accounts.names("south") == {"Ben"})
            assert accounts.names("north") == set()
            await asyncio.to_thread(update_sync, url, "north", collections=["customer"])
            await until(lambda: accounts.names("north") == {"Ada"})

    asyncio.run(run())


def test_a_poller_whose_lease_was_taken_over_stops(accounts: Accounts) -> None:
    """It commits nothing more; the other syncs are polled on."""
    sync = ids.sync_id("north")
    takeover = (
        "UPDATE stripe_sync.poll_state SET lease_owner = 'other',"
        " lease_until = now() + interval '1 hour' WHERE sync_id = %s AND lease_owner IS NOT NULL"
        " RETURNING 1"
    )

    async def run() -> None:
        async with accounts.supervised() as supervisor:
            await until(lambda: bool(accounts.harness.sql(takeover, sync)))
            await asyncio.to_thread(accounts.change, "north", "too late")
            await asyncio.to_thread(accounts.change, "south", "south")
            await until(lambda: accounts.names("south") == {"south"})
            await until(lambda: "north" in supervisor.health().failing)

    asyncio.run(run())
    assert accounts.names("north") == set()
    owner = "SELECT lease_owner FROM stripe_sync.poll_state WHERE sync_id = %s"
    assert accounts.harness.sql(owner, sync) == [("other",)]
