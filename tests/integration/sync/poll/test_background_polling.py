"""Polling in a background thread: its results, its health, its errors and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from integration.sync.poll.accounts import PATIENCE, SYNCS, Accounts, wait_until
from stripe_sync.errors import AuthenticationError, StripeSyncError
from stripe_sync.lake import Lake
from stripe_sync.records import ids
from stripe_sync.sync.poll.background import BackgroundPolling
from stripe_sync.sync.poll.report import PollBatch
from stripe_sync.sync.poll.supervisor import Shard


@contextmanager
def background(accounts: Accounts, **options: Any) -> Iterator[BackgroundPolling]:
    """Polling that has started, and is stopped whatever the test does with it."""
    url = accounts.harness.connections.warehouse_url
    polling = BackgroundPolling(accounts.connect, url, **options)
    polling.start()
    try:
        yield polling
    finally:
        with suppress(StripeSyncError, ValueError):  # the test has seen it
            polling.stop(PATIENCE)


def raises(polling: BackgroundPolling, error: type[Exception]) -> Callable[[], bool]:
    def condition() -> bool:
        try:
            polling.health()
        except error:
            return True
        return False

    return condition


def all_have(accounts: Accounts, names: set[str]) -> bool:
    return all(accounts.names(sync) == names for sync in SYNCS)


def test_changes_are_stored_and_counted_beside_the_caller(accounts: Accounts) -> None:
    before = datetime.now(UTC)
    batches: list[PollBatch] = []
    with background(accounts, on_batch=batches.append) as polling:
        for stored in ({"first"}, {"first", "second"}):
            for name in SYNCS:
                accounts.change(name, max(stored))
            wait_until(partial(all_have, accounts, stored))
        wait_until(lambda: polling.health().report.changes > 0)
        health = polling.health()
        report = polling.stop(PATIENCE)
    assert (health.running, health.error, health.syncs) == (True, None, len(SYNCS))
    assert health.failing == {}
    assert health.last_poll_at is not None
    assert health.last_poll_at > before
    assert report.stripe_events == 2 * len(SYNCS)
    assert report.changes == sum(batch.changes for batch in batches)
    assert report.polls >= len(SYNCS)
    assert report.requests >= report.polls
    # The first changes may be older than the first poll.
    assert len(SYNCS) <= len(report.lags) <= 2 * len(SYNCS)


def test_stop_releases_the_leases_and_writes_the_lake(accounts: Accounts) -> None:
    sync = "north"
    with background(accounts, syncs=[sync]) as polling:
        accounts.change(sync, "stored")
        wait_until(lambda: accounts.names(sync) == {"stored"})
        polling.stop(PATIENCE)
        assert not polling.health().running
    assert accounts.leases() == 0
    lake = Lake(accounts.harness.connections.lake_url, sync)
    in_lake = [str(key) for batch in lake.event_batches() for key in batch.to_pydict()["id"]]
    stored = accounts.harness.sql(
        "SELECT id::text FROM stripe_raw.events WHERE sync_id = %s", ids.sync_id(sync)
    )
    assert sorted(in_lake) == sorted(row[0] for row in stored)


def test_polling_that_is_stopped_before_its_start_polls_nothing(accounts: Accounts) -> None:
    url = accounts.harness.connections.warehouse_url
    polling = BackgroundPolling(accounts.connect, url)
    assert polling.stop(PATIENCE).polls == 0
    polling.start()
    report = polling.stop(PATIENCE)
    assert (report.polls, polling.health().running) == (0, False)
    with pytest.raises(RuntimeError):
        polling.start()


def test_a_shard_is_polled_alone(accounts: Accounts) -> None:
    shard = Shard(0, 2)
    mine = {name for name in SYNCS if shard.holds(name)}
    with background(accounts, shard=shard) as polling:
        wait_until(lambda: accounts.leases() == len(mine))
        assert polling.health().syncs == len(mine)


def test_a_sync_that_fails_is_named_while_the_others_are_polled(accounts: Accounts) -> None:
    accounts.harness.sandbox.control.remove_key(accounts.key("south"))
    with background(accounts) as polling:
        wait_until(lambda: "south" in polling.health().failing)
        accounts.change("north", "north")
        wait_until(lambda: accounts.names("north") == {"north"})
        health = polling.health()
        assert (health.running, health.syncs) == (True, len(SYNCS))
        assert "does not accept the API key" in health.failing["south"]


def test_the_error_of_a_run_without_any_sync_is_raised(accounts: Accounts) -> None:
    for name in SYNCS:
        accounts.harness.sandbox.control.remove_key(accounts.key(name))
    with background(accounts) as polling:
        wait_until(raises(polling, AuthenticationError))
        with pytest.raises(AuthenticationError):
            polling.stop(PATIENCE)


def test_any_other_error_of_a_sync_is_named_while_the_others_are_polled(
    accounts: Accounts,
) -> None:
    def fail(batch: PollBatch) -> None:
        if batch.sync == "north":
            message = "cannot be reported"
            raise ValueError(message)

    with background(accounts, on_batch=fail) as polling:
        accounts.change("north", "north")
        wait_until(lambda: polling.health().failing == {"north": "cannot be reported"})
        accounts.change("south", "south")
        wait_until(lambda: accounts.names("south") == {"south"})
        polling.stop(PATIENCE)
    assert accounts.names("north") == {"north"}
    assert accounts.leases() == 0


def test_any_other_error_is_raised_at_the_end_when_no_sync_can_be_polled(
    accounts: Accounts,
) -> None:
    def fail(_: PollBatch) -> None:
        message = "cannot be reported"
        raise ValueError(message)

    with background(accounts, syncs=["north"], on_batch=fail) as polling:
        accounts.change("north", "north")
        wait_until(lambda: polling.health().failing == {"north": "cannot be reported"})
        with pytest.raises(ValueError, match="cannot be reported"):
            polling.stop(PATIENCE)
    assert accounts.leases() == 0


def test_an_end_that_takes_too_long_is_reported_and_can_be_awaited_again(
    accounts: Accounts,
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def block(_: PollBatch) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    with background(accounts, on_batch=block) as polling:
        try:
            accounts.change("north", "north")
            assert entered.wait(PATIENCE)
            with pytest.raises(TimeoutError):
                polling.stop(0.01)
            assert polling.health().running
        finally:
            leave.set()
        polling.stop(PATIENCE)
    assert accounts.leases() == 0
