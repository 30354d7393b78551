from __future__ import annotations

import pytest

from forked import processes
from integration.warehouse.processes import hold_backfill_lock
from stripe_sync.errors import ConfigurationError, SyncBusy, WarehouseError
from stripe_sync.records import Checkpoint, CollectionStatus, Source, ids
from stripe_sync.warehouse import BatchWriter, CollectionState, Warehouse
from stripe_sync.warehouse.state.polls import PROCESSED_RETENTION, PollState
from unit.records.changes.observations import (
    CUSTOMER,
    NOON,
    RESOURCE,
    SYNC,
    at,
    batch,
    observation,
    stripe_event,
)


def state(warehouse: Warehouse) -> CollectionState:
    found = warehouse.collections.state(SYNC, CUSTOMER)
    assert found is not None
    return found


def test_a_sync_is_created_once_and_takes_new_settings(warehouse: Warehouse) -> None:
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


@pytest.mark.parametrize("name", ["", "Main", "a/b", "../up", "two words", str(RESOURCE)])
def test_the_name_of_a_sync_is_a_slug(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a name for a sync"):
        warehouse.syncs.ensure(
            name, account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
        )


def test_an_unknown_sync_is_an_error_that_lists_the_known_ones(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match=r"no sync named 'other' \(known: main\)"):
        warehouse.syncs.get("other")
    with pytest.raises(WarehouseError, match="has no sync"):
        warehouse.polls.state(ids.sync_id("other"))
    with pytest.raises(WarehouseError, match="has no sync"):
        warehouse.polls.set_cutoff(ids.sync_id("other"), 1, at=NOON)
    with pytest.raises(WarehouseError, match="has no sync"):
        warehouse.streams.next_part(ids.sync_id("other"), after=0, limit=1)


def test_a_warehouse_without_tables_is_a_clear_error(empty_database_url: str) -> None:
    with (
        Warehouse(empty_database_url) as empty,
        pytest.raises(WarehouseError, match=r"has no tables yet .* a backfill creates them"),
    ):
        empty.collections.states("main")


def test_a_run_goes_through_its_states(warehouse: Warehouse, writer: BatchWriter) -> None:
    assert warehouse.collections.state(SYNC, CUSTOMER) is None
    warehouse.collections.queue(SYNC, CUSTOMER)
    assert (state(warehouse).status, state(warehouse).generation) == ("pending", 0)
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 1, {"at": 1}, 10, 2, 50.0)
    writer.load(batch(observation(), source=Source.BACKFILL, checkpoint=checkpoint))
    running = state(warehouse)
    assert (running.status, running.collection, running.cursor) == (
        "running",
        "customer",
        {"at": 1},
    )
    assert (running.chunk, running.percent, running.finished_at) == (1, 50.0, None)
    warehouse.collections.finish(SYNC, CUSTOMER, CollectionStatus.DONE, requests=3, seconds=1.5)
    done = state(warehouse)
    assert (done.status, done.objects, done.requests, done.seconds) == ("done", 10, 3, 1.5)
    assert done.percent == 100
    assert done.finished_at is not None
    assert warehouse.collections.states("main") == [done]


def test_queueing_keeps_the_cursor_of_an_interrupted_run(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 4, {"at": 1}, 10, 2)
    writer.load(batch(source=Source.BACKFILL, checkpoint=checkpoint))
    warehouse.collections.queue(SYNC, CUSTOMER)
    assert (state(warehouse).status, state(warehouse).cursor) == ("running", {"at": 1})
    warehouse.collections.finish(SYNC, CUSTOMER, CollectionStatus.FAILED, "Stripe is down")
    assert state(warehouse).message == "Stripe is down"
    warehouse.collections.queue(SYNC, CUSTOMER)
    waiting = state(warehouse)
    assert (waiting.status, waiting.message, waiting.chunk) == ("pending", None, 4)
    assert waiting.cursor == {"at": 1}
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=True)
    assert (state(warehouse).cursor, state(warehouse).objects) == ({"at": 1}, 10)


def test_queueing_after_a_finished_run_starts_over(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    warehouse.collections.start(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 4, {"at": 1}, 10, 2)
    writer.load(batch(source=Source.BACKFILL, checkpoint=checkpoint))
    warehouse.collections.finish(
        SYNC, CUSTOMER, CollectionStatus.FORBIDDEN, "no", permission="rak_customer_read"
    )
    assert state(warehouse).permission == "rak_customer_read"
    warehouse.collections.queue(SYNC, CUSTOMER)
    waiting = state(warehouse)
    assert (waiting.status, waiting.cursor, waiting.permission) == ("pending", None, None)
    warehouse.collections.start(SYNC, CUSTOMER, generation=2, resumed=False)
    fresh = state(warehouse)
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


def test_the_first_cutoff_stays(warehouse: Warehouse) -> None:
    assert warehouse.polls.state(SYNC) == PollState(None, None, None, polled=False)
    assert warehouse.polls.set_cutoff(SYNC, 1_700_000_000, at=at(0)) == 1_700_000_000
    assert warehouse.polls.set_cutoff(SYNC, 1_800_000_000, at=at(1)) == 1_700_000_000
    assert warehouse.polls.state(SYNC) == PollState(1_700_000_000, None, at(0), polled=False)


def test_a_lease_can_be_acquired_after_it_expires_or_is_released(warehouse: Warehouse) -> None:
    assert warehouse.polls.acquire_lease(SYNC, "a", seconds=60)
    assert not warehouse.polls.acquire_lease(SYNC, "b", seconds=60)
    assert warehouse.polls.acquire_lease(SYNC, "a", seconds=-1)
    assert warehouse.polls.acquire_lease(SYNC, "b", seconds=60)
    warehouse.polls.release_lease(SYNC, "a")
    assert not warehouse.polls.acquire_lease(SYNC, "a", seconds=60)
    warehouse.polls.release_lease(SYNC, "b")
    assert warehouse.polls.acquire_lease(SYNC, "a", seconds=60)


def test_processed_events_are_kept_as_long_as_stripe_lists_them(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    writer.load(
        batch(
            observation(stripe_event=stripe_event("evt_old")),
            observation(stripe_event=stripe_event("evt_new", created=60)),
        )
    )
    assert warehouse.polls.prune_processed_events(SYNC, NOON + PROCESSED_RETENTION) == 0
    assert warehouse.polls.prune_processed_events(SYNC, at(30) + PROCESSED_RETENTION) == 1
    assert list(warehouse.polls.processed_since(SYNC, since=at(0))) == ["evt_new"]


def test_the_lake_position_never_goes_back(warehouse: Warehouse) -> None:
    assert warehouse.lake_position.get(SYNC) == 0
    for seq in (5, 3):
        with warehouse.locks.lake(SYNC) as lock_connection:
            warehouse.lake_position.advance(SYNC, seq, lock_connection)
    assert warehouse.lake_position.get(SYNC) == 5


def test_a_part_of_the_stream_has_no_events_of_backfills(
    warehouse: Warehouse, writer: BatchWriter
) -> None:
    writer.load(batch(observation(), observation(upstream_id="cus_2"), source=Source.BACKFILL))
    writer.load(batch(observation({"n": 1}, when=1), observation(upstream_id="cus_3")))
    writer.load(batch(observation({"n": 2}, when=2)))
    writer.load(batch(observation({"n": 1}, when=1, upstream_id="cus_2"), source=Source.BACKFILL))

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


def test_the_account_of_a_created_sync_is_learnt_once(warehouse: Warehouse) -> None:
    made = warehouse.syncs.create("eu", livemode=False, api_version="2026", values={})
    first, second = (ids.resource_id(name, livemode=False) for name in ("acct_1", "acct_2"))
    assert warehouse.syncs.learn_account(made, "acct_1", first).account_id == "acct_1"
    late = warehouse.syncs.learn_account(made, "acct_2", second)
    assert (late.account_id, late.resource_id) == ("acct_1", first)
