"""Polling waits for the end of an outage, and goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integration.sync.poll.accounts import SYNCS, Accounts, until
from stripe_sync.errors import AuthenticationError, EndpointUnavailable, WarehouseError
from stripe_sync.records import ids
from stripe_sync.sync.poll.supervisor import poll_for
from warehouse_switch import WarehouseSwitch, warehouse_switch


@pytest.fixture
def switch(accounts: Accounts) -> Iterator[WarehouseSwitch]:
    """The warehouse of all syncs behind a switch; the test itself reads it directly."""
    with warehouse_switch(accounts.harness.connections.warehouse_url) as switch:
        yield switch


def behind(accounts: Accounts, switch: WarehouseSwitch) -> Accounts:
    """The same accounts, polled through the switch."""
    connections = replace(accounts.harness.connections, warehouse_url=switch.url)
    polled = object.__new__(Accounts)
    polled.harness = replace(accounts.harness, connections=connections)
    return polled


def message(accounts: Accounts, name: str) -> str | None:
    rows = accounts.harness.sql(
        "SELECT message FROM stripe_sync.poll_state WHERE sync_id = %s", ids.sync_id(name)
    )
    found: str | None = rows[0][0]
    return found


def test_an_outage_of_the_warehouse_ends_by_itself(
    accounts: Accounts, switch: WarehouseSwitch
) -> None:
    async def run() -> None:
        async with behind(accounts, switch).supervised() as supervisor:
            await until(lambda: accounts.leases() == len(SYNCS))
            switch.off()
            for name in SYNCS:
                await asyncio.to_thread(accounts.change, name, name)
            await until(lambda: supervisor.health().failing.keys() == set(SYNCS))
            await until(lambda: supervisor.health().warehouse_error is not None)
            assert supervisor.health().running
            switch.on()
            await until(lambda: all(accounts.names(name) == {name} for name in SYNCS))
            await until(lambda: not supervisor.health().failing)
            assert supervisor.health().warehouse_error is None

    asyncio.run(run())
    changes = "SELECT count(*) FROM stripe_raw.events WHERE collection_id = 'stripe:customer'"
    assert accounts.harness.sql(changes) == [(len(SYNCS),)]


def test_a_warehouse_that_is_down_at_the_start_is_waited_for(
    accounts: Accounts, switch: WarehouseSwitch
) -> None:
    async def run() -> None:
        switch.off()
        async with behind(accounts, switch).supervised() as supervisor:
            await until(lambda: supervisor.health().warehouse_error is not None)
            switch.on()
            await until(lambda: accounts.leases() == len(SYNCS))

    asyncio.run(run())


def test_a_run_that_ends_during_an_outage_is_no_success(
    accounts: Accounts, switch: WarehouseSwitch
) -> None:
    switch.off()
    for syncs in ([], ["north"]):
        with pytest.raises(WarehouseError):
            poll_for(accounts.connect, switch.url, seconds=0, syncs=syncs)


def test_an_outage_of_stripe_ends_by_itself_and_is_shown_meanwhile(accounts: Accounts) -> None:
    control = accounts.harness.sandbox.control

    async def run() -> None:
        async with accounts.supervised() as supervisor:
            await until(lambda: accounts.leases() == len(SYNCS))
            control.fault("gone", endpoint="GET /v1/events")
            await until(lambda: supervisor.health().failing.keys() == set(SYNCS))
            await until(lambda: bool(message(accounts, "north")))
            await asyncio.to_thread(accounts.change, "north", "north")
            assert supervisor.health().running
            control.no_faults()
            await until(lambda: accounts.names("north") == {"north"})
            await until(lambda: not supervisor.health().failing)
            await until(lambda: message(accounts, "north") is None)

    asyncio.run(run())


def test_a_run_in_which_stripe_never_answered_is_no_success(accounts: Accounts) -> None:
    accounts.harness.sandbox.control.fault("gone", endpoint="GET /v1/events")
    url = accounts.harness.connections.warehouse_url
    with pytest.raises(EndpointUnavailable):
        poll_for(accounts.connect, url, seconds=0.5, syncs=["north"])


def test_a_key_that_is_mended_is_used_again(accounts: Accounts) -> None:
    """What waiting cannot cure stops that sync only, until somebody has cured it."""
    control = accounts.harness.sandbox.control
    control.remove_key(accounts.key("south"))

    async def run() -> None:
        async with accounts.supervised() as supervisor:
            await until(lambda: "south" in supervisor.health().failing)
            await asyncio.to_thread(accounts.change, "north", "north")
            await until(lambda: accounts.names("north") == {"north"})
            control.add_key(accounts.key("south"), account="acct_south")
            await asyncio.to_thread(accounts.change, "south", "south")
            await until(lambda: accounts.names("south") == {"south"})
            await until(lambda: not supervisor.health().failing)

    asyncio.run(run())


def test_a_run_ends_early_only_when_waiting_cures_no_sync(accounts: Accounts) -> None:
    for name in SYNCS:
        accounts.harness.sandbox.control.remove_key(accounts.key(name))
    with pytest.raises(AuthenticationError):
        poll_for(accounts.connect, accounts.harness.connections.warehouse_url, seconds=600)
