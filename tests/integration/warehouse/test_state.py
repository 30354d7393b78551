from __future__ import annotations

import pytest

from integration.warehouse.processes import hold_backfill_lock, processes
from stripe_sync.errors import ConfigurationError, SyncBusy, WarehouseError
from stripe_sync.records import Checkpoint, Source, ids
from stripe_sync.warehouse import BatchWriter, CollectionStatus, Warehouse
from stripe_sync.warehouse.state.polls import LEDGER_RETENTION, PollState
from unit.records.observations import CUSTOMER, NOON, RESOURCE, SYNC, at, batch, seen, told


def status(warehouse: Warehouse) -> CollectionStatus:
    found = warehouse.collections.state(SYNC, CUSTOMER)
    assert found is not None
    return found


def test_a_sync_is_made_once_and_takes_new_settings(warehouse: Warehouse) -> None:
    made = warehouse.syncs.get("main")
    assert (made.id, made.resource_id, made.status) == (SYNC, RESOURCE, "active")
    same = {"account_id": "acct_1", "resource_id": RESOURCE, "livemode": False}
    assert warehouse.syncs.ensure("main", **same, api_version="2026") == made
    changed = warehouse.syncs.ensure("main", **same, api_version="2027", settings={"redact": True})
    assert (changed.api_version, changed.settings) == ("2027", {"redact": True})
    assert changed.updated_at > made.updated_at
    assert [sync.name for sync in warehouse.syncs.all()] == ["main"]


def test_a_sync_keeps_its_account(warehouse: Warehouse) -> None:
    other = warehouse.syncs.ensure(
        "main",
        account_id="acct_2",
        resource_id=ids.resource_id("acct_2", livemode=True),
        livemode=True,
        api_version="2027",
    )
    assert other == warehouse.syncs.get("main")
    assert (other.account_id, other.livemode, other.api_version) == ("acct_1", False, "2026")


@pytest.mark.parametrize("name", ["", "Main", "a/b", "../up", "two words"])
def test_the_name_of_a_sync_is_a_slug(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a sync"):
        warehouse.syncs.ensure(
            name, account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
        )


def test_an_unknown_sync_is_answered_with_those_known(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match=r"no sync named 'other' \(known: main\)"):
        warehouse.syncs.get("other")
    with pytest.raises(WarehouseError, match="does not know the sync"):
        warehouse.polls.state(ids.sync_id("other"))
    with pytest.raises(WarehouseError, match="does not know the sync"):
        warehouse.polls.set_cutoff(ids.sync_id("other"), 1, at=NOON)
    with pytest.raises(WarehouseError, match="does not know the sync"):
        warehouse.streams.last_seq(ids.sync_id("other"))


def test_a_warehouse_without_tables_says_so(empty_database_url: str) -> None:
    with (
        Warehouse(empty_database_url) as empty,
        pytest.raises(WarehouseError, match=r"has no tables yet .* a backfill makes them"),
    ):
        empty.collection_statuses("main")


def test_a_run_goes_through_its_states(warehouse: Warehouse, writer: BatchWriter) -> None:
    assert warehouse.collections.state(SYNC, CUSTOMER) is None
    warehouse.collections.queue(SYNC, CUSTOMER)
    assert (status(warehouse).status, status(warehouse).generation) == ("pending", 0)
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 1, {"at": 1}, 10, 2, 50.0)
    writer.load(batch(seen(), source=Source.BACKFILL, checkpoint=checkpoint))
    running = status(warehouse)
    assert (running.status, running.collection, running.position) == (
        "running",
        "customer",
        {"at": 1},
    )
    assert (running.chunk, running.percent, running.finished_at) == (1, 50.0, None)
    warehouse.collections.finish(SYNC, CUSTOMER, "done", requests=3, seconds=1.5)
    done = status(warehouse)
    assert (done.status, done.objects, done.requests, done.seconds) == ("done", 10, 3, 1.5)
    assert done.percent == 100
    assert done.finished_at is not None
    assert warehouse.collections.statuses("main") == [done]


def test_queueing_keeps_what_an_interrupted_run_left(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 4, {"at": 1}, 10, 2)
    writer.load(batch(source=Source.BACKFILL, checkpoint=checkpoint))
    warehouse.collections.queue(SYNC, CUSTOMER)
    assert (status(warehouse).status, status(warehouse).position) == ("running", {"at": 1})
    warehouse.collections.finish(SYNC, CUSTOMER, "failed", "Stripe is down")
    assert status(warehouse).message == "Stripe is down"
    warehouse.collections.queue(SYNC, CUSTOMER)
    waiting = status(warehouse)
    assert (waiting.status, waiting.message, waiting.chunk) == ("pending", None, 4)
    assert waiting.position == {"at": 1}
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=True)
    assert (status(warehouse).position, status(warehouse).objects) == ({"at": 1}, 10)


def test_queueing_after_a_run_that_ended_begins_anew(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 4, {"at": 1}, 10, 2)
    writer.load(batch(source=Source.BACKFILL, checkpoint=checkpoint))
    warehouse.collections.finish(SYNC, CUSTOMER, "forbidden", "no", permission="rak_customer_read")
    assert status(warehouse).permission == "rak_customer_read"
    warehouse.collections.queue(SYNC, CUSTOMER)
    waiting = status(warehouse)
    assert (waiting.status, waiting.position, waiting.permission) == ("pending", None, None)
    warehouse.collections.start(SYNC, CUSTOMER, generation=2, resumed=False)
    fresh = status(warehouse)
    assert (fresh.generation, fresh.chunk, fresh.objects, fresh.requests) == (2, 0, 0, 0)


def test_one_process_backfills_a_collection_at_a_time(warehouse: Warehouse) -> None:
    with warehouse.locks.backfill(SYNC, CUSTOMER):
        with (
            pytest.raises(SyncBusy, match="another process is backfilling stripe:customer"),
            warehouse.locks.backfill(SYNC, CUSTOMER),
        ):
            pass
        with warehouse.locks.backfill(SYNC, "stripe:charge"):
            pass
    with warehouse.locks.backfill(SYNC, CUSTOMER):
        pass


def test_a_backfill_lock_dies_with_its_process(warehouse: Warehouse, warehouse_url: str) -> None:
    ours, theirs = processes.Pipe()
    holder = processes.Process(target=hold_backfill_lock, args=(warehouse_url, theirs))
    holder.start()
    assert ours.recv() == "held"
    with pytest.raises(SyncBusy), warehouse.locks.backfill(SYNC, CUSTOMER):
        pass
    holder.kill()
    holder.join()
    taken = False
    while not taken:  # the server notices the death in its own time
        try:
            with warehouse.locks.backfill(SYNC, CUSTOMER):
                taken = True
        except SyncBusy:
            continue


def test_the_first_fence_holds(warehouse: Warehouse) -> None:
    assert warehouse.polls.state(SYNC) == PollState(None, None, None)
    assert warehouse.polls.set_cutoff(SYNC, 1_700_000_000, at=at(0)) == 1_700_000_000
    assert warehouse.polls.set_cutoff(SYNC, 1_800_000_000, at=at(1)) == 1_700_000_000
    assert warehouse.polls.state(SYNC) == PollState(1_700_000_000, None, at(0))


def test_a_lease_passes_on_when_it_runs_out_or_is_given_back(warehouse: Warehouse) -> None:
    assert warehouse.polls.acquire_lease(SYNC, "a", seconds=60)
    assert not warehouse.polls.acquire_lease(SYNC, "b", seconds=60)
    assert warehouse.polls.acquire_lease(SYNC, "a", seconds=-1)
    assert warehouse.polls.acquire_lease(SYNC, "b", seconds=60)
    warehouse.polls.release_lease(SYNC, "a")
    assert not warehouse.polls.acquire_lease(SYNC, "a", seconds=60)
    warehouse.polls.release_lease(SYNC, "b")
    assert warehouse.polls.acquire_lease(SYNC, "a", seconds=60)


def test_the_ledger_forgets_only_what_stripe_forgot(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    writer.load(batch(seen(told=told("evt_old")), seen(told=told("evt_new", created=60))))
    assert warehouse.polls.prune_processed_events(SYNC, NOON + LEDGER_RETENTION) == 0
    assert warehouse.polls.prune_processed_events(SYNC, at(30) + LEDGER_RETENTION) == 1
    assert list(warehouse.polls.processed_since(SYNC, since=at(0))) == ["evt_new"]


def test_the_lake_position_never_goes_back(warehouse: Warehouse) -> None:
    assert warehouse.streams.lake_position(SYNC) == 0
    for seq in (5, 3):
        with warehouse.locks.lake(SYNC) as turn:
            warehouse.streams.set_lake_position(SYNC, seq, turn)
    assert warehouse.streams.lake_position(SYNC) == 5


def test_a_part_of_the_stream_leaves_out_what_backfills_wrote(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    writer.load(batch(seen(), seen(upstream_id="cus_2"), source=Source.BACKFILL))
    writer.load(batch(seen({"n": 1}, when=1), seen(upstream_id="cus_3")))
    writer.load(batch(seen({"n": 2}, when=2)))
    writer.load(batch(seen({"n": 1}, when=1, upstream_id="cus_2"), source=Source.BACKFILL))

    first = warehouse.streams.next_part(SYNC, after=0, limit=2)
    assert (first.last_seq, [event.upstream_id for event in first.events]) == (
        4,
        ["cus_1", "cus_3"],
    )
    assert [record.upstream_id for record in first.records] == ["cus_3"]
    second = warehouse.streams.next_part(SYNC, after=4, limit=2)
    assert second.last_seq == 6
    assert [record.payload_json for record in second.records] == [second.events[0].data_json]
    assert warehouse.streams.next_part(SYNC, after=6, limit=2).last_seq == 6
