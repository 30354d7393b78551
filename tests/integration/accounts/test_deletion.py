"""A sync is deleted alone or with its data, in parts, and never while it is used."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forked import processes
from integration.accounts.deleting_process import delete_and_die
from stripe_sync import (
    ConfigurationError,
    SyncBusy,
    SyncConflict,
    SyncNotFound,
    backfill,
    create_sync,
    delete_sync,
    describe_syncs,
    get_sync,
    list_syncs,
    reload,
)
from stripe_sync.lake import Lake
from stripe_sync.records import ids
from stripe_sync.warehouse import Warehouse
from sync_harness import SYNC, SyncHarness

TABLES = ("stripe_raw.records", "stripe_raw.events", "stripe_sync.processed_events")


@pytest.fixture
def stored(harness: SyncHarness) -> SyncHarness:
    """Two syncs of one account in one warehouse and one lake."""
    harness.sandbox.control.seed({"customer": 3, "product": 2})
    for sync in (SYNC, "other"):
        backfill(harness.connections, sync, ["customer", "product"])
    harness.stripe.v1.customers.create({"name": "Ada"})
    harness.poll()
    return harness


def delete(harness: SyncHarness, sync: str = SYNC, **options: Any) -> Any:
    where = harness.connections
    options = {"lake_url": where.lake_url, "keep_data": False, **options}
    return delete_sync(where.warehouse_url, sync, **options)


def rows(harness: SyncHarness, sync: str) -> list[int]:
    query = " UNION ALL ".join(f"SELECT count(*) FROM {t} WHERE sync_id = %s" for t in TABLES)
    return [row[0] for row in harness.sql(query, *[ids.sync_id(sync)] * len(TABLES))]


def test_with_its_data_nothing_of_it_is_left_and_all_of_others(stored: SyncHarness) -> None:
    others, other_files = rows(stored, "other"), lake_files(stored, "other")
    foreign = Path(stored.connections.lake_url) / SYNC / "notes.txt"
    foreign.write_text("not ours")

    deletion = delete(stored)

    assert deletion.is_done
    assert (deletion.records, deletion.events) == (7, 7)  # six objects and one Stripe event
    assert deletion.files > 0
    assert rows(stored, SYNC) == [0, 0, 0]
    assert lake_files(stored, SYNC) == [foreign]
    assert rows(stored, "other") == others
    assert lake_files(stored, "other") == other_files
    assert [each.name for each in describe_syncs(stored.connections.warehouse_url)] == ["other"]


def lake_files(harness: SyncHarness, sync: str) -> list[Path]:
    folder = Path(harness.connections.lake_url) / sync
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_its_name_can_be_used_again_after_that(stored: SyncHarness) -> None:
    delete(stored)
    [report] = backfill(stored.connections, SYNC, ["customer"])
    assert (report.objects, report.created) == (4, 4)
    stored.assert_streams_agree()


def test_it_is_continued_after_an_interruption(stored: SyncHarness) -> None:
    first = delete(stored, seconds=0)
    assert not first.is_done
    assert get_sync(stored.connections.warehouse_url, SYNC).status == "deleting"
    assert list_syncs(stored.connections.warehouse_url) == ["other"]
    with pytest.raises(SyncConflict, match="finish with stripe-sync syncs delete default"):
        stored.backfill("customer")
    with pytest.raises(SyncConflict, match="is being deleted"):
        reload(stored.connections, SYNC)

    while not delete(stored, seconds=0).is_done:
        pass

    assert rows(stored, SYNC) == [0, 0, 0]
    assert lake_files(stored, SYNC) == []


def test_a_deletion_that_was_killed_is_said_and_goes_on(stored: SyncHarness) -> None:
    where = stored.connections.warehouse_url, stored.connections.lake_url
    deleting = processes.Process(target=delete_and_die, args=(SYNC, *where))
    deleting.start()
    deleting.join()
    assert deleting.exitcode == -signal.SIGKILL

    with pytest.raises(SyncBusy, match=r"another process deletes sync default.*try again in 10"):
        delete(stored)
    stored.sql("UPDATE stripe_sync.poll_state SET lease_until = now() RETURNING 1")
    assert delete(stored).is_done
    assert rows(stored, SYNC) == [0, 0, 0]
    assert lake_files(stored, SYNC) == []


def test_a_sync_that_is_polled_is_not_deleted(stored: SyncHarness) -> None:
    async def run() -> None:
        async with stored.polling():
            with pytest.raises(SyncBusy, match="pause it with stripe-sync syncs pause default"):
                await asyncio.to_thread(delete, stored)

    before = rows(stored, SYNC)
    asyncio.run(run())
    assert rows(stored, SYNC) == before
    assert get_sync(stored.connections.warehouse_url, SYNC).status == "active"


def test_a_sync_that_is_backfilled_is_not_deleted(stored: SyncHarness) -> None:
    url, sync_id = stored.connections.warehouse_url, ids.sync_id(SYNC)
    with Warehouse(url) as warehouse, warehouse.locks.backfill(sync_id, "stripe:customer"):
        for keep_data in (True, False):
            with pytest.raises(SyncBusy, match="stripe:customer"):
                delete(stored, keep_data=keep_data)
    assert get_sync(url, SYNC).status == "active"
    stored.poll()  # nobody else holds its lease


def test_its_data_can_be_kept_and_the_sync_comes_back_by_a_reload(stored: SyncHarness) -> None:
    before, files = rows(stored, SYNC), lake_files(stored, SYNC)
    last = stored.sql(
        "SELECT max(seq) FROM stripe_raw.events WHERE sync_id = %s", ids.sync_id(SYNC)
    )

    assert delete(stored, keep_data=True).is_done

    assert rows(stored, SYNC) == [*before[:2], 0]
    assert lake_files(stored, SYNC) == files
    with pytest.raises(SyncConflict, match=r"stripe_reload.*--drop-data"):
        stored.backfill("customer")
    with pytest.raises(SyncConflict, match=r"the warehouse has data.*--drop-data"):
        create_sync(stored.connections.warehouse_url, SYNC, livemode=False)

    assert sum(report.events for report in reload(stored.connections, SYNC)) == 0
    stored.stripe.v1.customers.create({"name": "later"})
    stored.poll()
    [(seq,)] = stored.sql(
        "SELECT seq FROM stripe_raw.events WHERE data->>'name' = 'later' AND sync_id = %s",
        ids.sync_id(SYNC),
    )
    assert seq > last[0][0]
    stored.assert_streams_agree()


def test_data_that_was_kept_can_be_deleted_later(stored: SyncHarness) -> None:
    delete(stored, keep_data=True)
    assert delete(stored).records == 7
    assert lake_files(stored, SYNC) == []
    with pytest.raises(SyncNotFound, match="known: other"):
        delete(stored)


def test_a_sync_that_never_ran_is_restored_or_deleted(stored: SyncHarness) -> None:
    """It takes the lake's account; alone it cannot begin a second history."""
    elsewhere = replace(stored.connections, lake_url=stored.connections.lake_url)
    delete(stored, keep_data=True)
    stored.sql(
        "WITH e AS (DELETE FROM stripe_raw.events WHERE sync_id = %s)"
        " DELETE FROM stripe_raw.records WHERE sync_id = %s RETURNING 1",
        *[ids.sync_id(SYNC)] * 2,
    )
    create_sync(elsewhere.warehouse_url, SYNC, livemode=False)
    with pytest.raises(SyncConflict, match="the lake has files"):
        stored.backfill("customer")
    assert sum(report.records for report in reload(stored.connections, SYNC)) == 7
    assert Lake(stored.connections.lake_url, SYNC).records().shape[0] == 7
    stored.poll()
    stored.assert_streams_agree()


def test_the_lake_is_needed_to_delete_data(harness: SyncHarness) -> None:
    with pytest.raises(ConfigurationError, match="lake's URL") as caught:
        delete_sync(harness.connections.warehouse_url, SYNC, keep_data=False)
    assert caught.value.param == "lake_url"
