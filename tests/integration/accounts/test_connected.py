"""Connected accounts of a platform: each becomes a sync; one that fails harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from integration.sync.poll.accounts import until
from stripe_sync import (
    AccountDisconnected,
    ConfigurationError,
    Connections,
    PermissionDenied,
    SyncConflict,
    SyncInfo,
    backfill,
    check_syncs,
    create_sync,
    delete_sync,
    describe_syncs,
    fetch_account_id,
    get_sync,
    list_connected_accounts,
    pause_sync,
    plan_reconcile,
    reconcile,
    resume_if_connected,
    resume_sync,
    sync_connected_accounts,
    sync_settings,
    sync_status,
    syncs_to_backfill,
    update_sync,
)
from stripe_sync.accounts.connected import connected_sync_name
from stripe_sync.records import ids
from stripe_sync.sync.poll.supervisor import PollSupervisor, Shard, poll_for
from sync_harness import SYNC, SyncHarness, unthrottled

ALL = ["all"]


class Platform:
    """A Connect platform with some connected accounts, all with one key."""

    def __init__(self, harness: SyncHarness, accounts: int = 0) -> None:
        self.harness = harness
        self.connections = harness.connections
        self.url = self.connections.warehouse_url
        self.control = harness.sandbox.control
        self.accounts = [f"acct_{number:02d}Shop" for number in range(accounts)]
        for account in self.accounts:
            self.control.add_account(account)

    def connect(self, _: str) -> Connections:
        """One key for all syncs."""
        return self.connections

    def states(self) -> dict[str, tuple[str, str | None]]:
        found = list_connected_accounts(self.connections, SYNC)
        return {each.account: (str(each.state), each.sync) for each in found}

    def create(self, accounts: list[str] | None = None) -> dict[str, SyncInfo]:
        """Create syncs; returns the new ones by account."""
        done = sync_connected_accounts(self.connections, SYNC, accounts or ALL)
        assert done.failed == {}
        return {str(each.connected_account): each for each in done.created}

    def change(self, account: str, name: str) -> None:
        """Create a customer in a connected account."""
        client = self.harness.stripe
        client.v1.customers.create({"name": name}, {"stripe_account": account})

    def names(self, sync: str) -> set[str]:
        """Names of a sync's stored customers."""
        query = (
            "SELECT payload->>'name' FROM stripe_raw.records"
            " WHERE collection_id = 'stripe:customer' AND sync_id = %s"
        )
        return {row[0] for row in self.harness.sql(query, ids.sync_id(sync))}

    @asynccontextmanager
    async def polled(self) -> AsyncIterator[PollSupervisor]:
        """Poll all active syncs beside the test."""
        supervisor = PollSupervisor(self.connect, (), Shard())
        work = asyncio.create_task(supervisor.run(self.url, 60))
        try:
            yield supervisor
        finally:
            supervisor.stop()
            await asyncio.gather(work, return_exceptions=True)


@pytest.fixture
def make_platform(harness: SyncHarness) -> Callable[..., Platform]:
    def make(accounts: int, **settings: Any) -> Platform:
        return Platform(unthrottled(harness, **settings), accounts)

    return make


def test_new_accounts_get_a_sync_and_nothing_happens_twice(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(2)
    first, second = platform.accounts
    create_sync(
        platform.url,
        SYNC,
        livemode=False,
        collections=["customer"],
        settings={"max_age_days": 30, "cadence": "fixed", "connected_accounts": "all"},
    )
    assert platform.states() == {second: ("new", None), first: ("new", None)}

    created = platform.create([first])

    sync = created[first]
    assert (sync.name, sync.connection_id) == ("default-acct_00shop", "stripe_default")
    assert (sync.collection_ids, sync.settings) == (("stripe:customer",), {"max_age_days": 30})
    assert sync_settings(platform.connections, sync.name).cadence == "adaptive"
    assert platform.states()[first] == ("synced", sync.name)
    # Without names: as the setting says, which is all.
    done = sync_connected_accounts(platform.connections, SYNC)
    assert ([each.connected_account for each in done.created], done.present) == ([second], (first,))
    assert sync_connected_accounts(platform.connections, SYNC).created == ()
    assert {each.name for each in syncs_to_backfill(platform.url)} == {
        "default-acct_00shop",
        "default-acct_01shop",
    }


def test_an_account_that_another_sync_stores_is_left_alone(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(3)
    own_key, by_hand, gone = platform.accounts
    platform.control.add_key("sk_test_own", account=own_key)
    backfill(platform.harness.with_key("sk_test_own").connections, "own", ["customer"])
    create_sync(platform.url, "hand", livemode=False, connected_account=by_hand)
    pause_sync(platform.url, "hand")
    create_sync(
        platform.url, "x", livemode=False, connected_account=gone, connection_id="stripe_default"
    )
    platform.control.disconnect(gone)

    assert platform.states() == {
        own_key: ("synced", "own"),
        by_hand: ("synced", "hand"),
        gone: ("unlisted", "x"),
    }
    done = sync_connected_accounts(platform.connections, SYNC, ["all"])
    assert (done.created, set(done.present)) == ((), {own_key, by_hand})


def test_only_accounts_that_stripe_lists_get_a_sync_and_the_others_are_named(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(1)
    done = sync_connected_accounts(
        platform.connections, SYNC, ["acct_nobody", platform.accounts[0]]
    )
    assert [each.connected_account for each in done.created] == platform.accounts
    assert list(done.failed) == ["acct_nobody"]
    assert "none of the connected accounts" in done.failed["acct_nobody"]
    # A name whose data was kept is not used again, and holds up no other account.
    [sync] = done.created
    platform.control.seed({"customer": 1}, account=platform.accounts[0])
    backfill(platform.connections, sync.name, ["customer"])
    delete_sync(platform.url, sync.name, keep_data=True)
    platform.control.add_account("acct_later")
    done = sync_connected_accounts(platform.connections, SYNC, ALL)
    assert [each.connected_account for each in done.created] == ["acct_later"]
    assert "stripe_reload" in done.failed[platform.accounts[0]]


@pytest.mark.parametrize("accounts", [["acct_1", "all"], ["cus_1"], ["acct-1"], ["everybody"]])
def test_what_is_no_account_is_refused(
    make_platform: Callable[..., Platform], accounts: list[str]
) -> None:
    with pytest.raises(ConfigurationError, match="connected_accounts"):
        sync_connected_accounts(make_platform(0).connections, SYNC, accounts)


def test_a_key_that_may_not_list_accounts_is_told_which_permission_it_lacks(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(1)
    platform.control.add_key("rk_test_few", permissions=["rak_customer_read", "rak_event_read"])
    few = platform.harness.with_key("rk_test_few")
    with pytest.raises(PermissionDenied, match="rak_connected_account_read"):
        list_connected_accounts(few.connections, SYNC)


def test_the_sync_of_a_connected_account_is_no_platform(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(1)
    [sync] = platform.create().values()
    with pytest.raises(ConfigurationError, match="name the sync of its platform"):
        list_connected_accounts(platform.connections, sync.name)


def test_ids_that_differ_in_case_only_have_different_names() -> None:
    name = connected_sync_name("p", "acct_1Ab")
    other = connected_sync_name("p", "acct_1aB", {name})
    assert name == "p-acct_1ab"
    assert other.startswith("p-acct_1ab-")
    assert connected_sync_name("p", "acct_1aB", {name}) == other
    assert len(connected_sync_name("p" * 100, "acct_1Ab")) == 100
    assert len(connected_sync_name("p" * 100, "acct_1Ab", {"p" * 91 + "-acct_1ab"})) == 100


def test_two_connected_accounts_never_flow_into_one_sync(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(2)
    first, second = platform.accounts
    # The refusal of such a key names an account, and it need not be the connected one.
    platform.control.add_key("rk_test_few", permissions=["rak_customer_read", "rak_event_read"])
    few = platform.harness.with_key("rk_test_few")
    for account in platform.accounts:
        platform.control.seed({"customer": 1}, account=account)
        create_sync(platform.url, account[-6:].lower(), livemode=False, connected_account=account)
        backfill(few.connections, account[-6:].lower(), ["customer"])

    rows = platform.harness.sql(
        "SELECT s.account_id, s.resource_id, r.resource_id FROM stripe_sync.syncs s"
        " JOIN stripe_raw.records r ON r.sync_id = s.id ORDER BY s.account_id"
    )
    assert rows == [
        (account, resource, resource)
        for account in platform.accounts
        for resource in [ids.resource_id(account, livemode=False)]
    ]
    with pytest.raises(ConfigurationError, match=f"stores {first}"):
        update_sync(platform.url, "00shop", connected_account=second)
    platform.harness.sql(
        "UPDATE stripe_sync.syncs SET connected_account = %s WHERE name = '00shop' RETURNING 1",
        second,
    )
    with pytest.raises(ConfigurationError, match=f"stores account {first}"):
        backfill(few.connections, "00shop", ["customer"])


def test_a_disconnected_account_costs_no_collection_and_is_said_so(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(1)
    [sync] = platform.create().values()
    platform.control.seed({"customer": 1}, account=platform.accounts[0])
    backfill(platform.connections, sync.name, ["customer"])
    platform.control.disconnect(platform.accounts[0])

    with pytest.raises(AccountDisconnected, match=rf"no access.*{platform.accounts[0]}"):
        reconcile(platform.connections, sync.name, ["customer"])

    # It is not the collection that is forbidden.
    [state] = sync_status(platform.url, sync.name).collections
    assert state.status == "done"
    credential = replace(platform.connections.credential, account=platform.accounts[0])
    with pytest.raises(AccountDisconnected, match="check that the key is that of its platform"):
        fetch_account_id(credential)


def test_twenty_accounts_live_with_one_key_and_each_fails_for_itself(
    make_platform: Callable[..., Platform],
) -> None:
    """They appear, are backfilled and polled in one process; one is revoked, one had a gap."""
    platform = make_platform(20)
    revoked, gone, *others = platform.accounts
    platform.control.seed({"product": 1}, account=gone)
    for account in platform.accounts:
        platform.change(account, "before")
    syncs = {account: sync.name for account, sync in platform.create().items()}
    assert len(syncs) == 20
    for account, name in syncs.items():
        backfill(platform.connections, name, ["customer", *["product"] * (account == gone)])
    assert syncs_to_backfill(platform.url) == []
    # Nobody polled this one for 31 days, and Stripe forgot what happened meanwhile.
    old, product = ids.sync_id(syncs[gone]), platform.control.objects("product", account=gone)[0]
    platform.control.mutate("product", product["id"], {"name": "meanwhile"}, account=gone)
    platform.harness.sql(
        "UPDATE stripe_sync.poll_state SET cutoff = now() - interval '31 days', polls = 1,"
        " polled_at = now() - interval '31 days', events_until = now() - interval '31 days'"
        " WHERE sync_id = %s RETURNING 1",
        old,
    )

    def status(account: str) -> str:
        return get_sync(platform.url, syncs[account]).status

    async def run() -> None:
        async with platform.polled() as supervisor:
            await until(lambda: supervisor.health().report.polls >= 21)
            await asyncio.to_thread(platform.control.disconnect, revoked)
            for account in others:
                await asyncio.to_thread(platform.change, account, f"of {account}")
            await until(lambda: status(revoked) == "disconnected")
            wanted = {account: {"before", f"of {account}"} for account in others}
            for account, names in wanted.items():
                await until(lambda a=account, n=names: platform.names(syncs[a]) == n)
            assert set(supervisor.health().failing) <= {syncs[revoked]}

    asyncio.run(run())

    problems = {problem.sync: problem.text for problem in check_syncs(platform.url)}
    assert set(problems) == {syncs[revoked]}
    assert f"stripe-sync syncs resume {syncs[revoked]}" in problems[syncs[revoked]]
    assert sync_status(platform.url, syncs[revoked]).sync.status == "disconnected"
    assert platform.states()[revoked] == ("disconnected", syncs[revoked])
    with pytest.raises(SyncConflict, match="disconnected"):
        backfill(platform.connections, syncs[revoked], ["customer"])

    # The gap is repaired by what is due, and nothing else is due.
    due = {
        name: plan_reconcile(platform.connections, name)
        for name in syncs.values()
        if name != syncs[revoked]
    }
    assert {name for name, reads in due.items() if reads} == {syncs[gone]}
    drift = {each.collection: each.drift for each in reconcile(platform.connections, syncs[gone])}
    assert drift == {"customer": 0, "product": 1}
    assert plan_reconcile(platform.connections, syncs[gone]) == []

    # It is connected again: what happened meanwhile comes by polling.
    assert not resume_if_connected(platform.connections, syncs[revoked])
    platform.control.add_account(revoked)
    platform.change(revoked, "after")
    assert resume_if_connected(platform.connections, syncs[revoked])
    poll_for(platform.connect, platform.url, seconds=1, syncs=[syncs[revoked]])
    assert platform.names(syncs[revoked]) == {"before", "after"}
    assert check_syncs(platform.url) == []
    platform.harness.assert_streams_agree()


def test_a_disconnected_sync_is_resumed_by_hand_or_by_another_key(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(1)
    [sync] = platform.create().values()
    platform.control.disconnect(platform.accounts[0])
    with pytest.raises(AccountDisconnected):
        poll_for(platform.connect, platform.url, seconds=5, syncs=[sync.name])
    # Its first run had no access: it is stopped all the same, and its account is still to learn.
    assert get_sync(platform.url, sync.name).status == "disconnected"
    [problem] = check_syncs(platform.url)
    assert problem.text.startswith("disconnected, not polled")
    assert resume_sync(platform.url, sync.name).status == "active"
    assert check_syncs(platform.url) == []
    with pytest.raises(AccountDisconnected):
        poll_for(platform.connect, platform.url, seconds=5, syncs=[sync.name])
    changed = update_sync(platform.url, sync.name, connection_id="stripe_other")
    assert changed.status == "active"
    assert [each.name for each in describe_syncs(platform.url)] == [SYNC, sync.name]
