from __future__ import annotations

import pytest

from integration.warehouse.processes import hold_backfill_lock, processes
from stripe_sync import ids
from stripe_sync.errors import ConfigurationError, SyncBusy, WarehouseError
from stripe_sync.warehouse import CollectionStatus, Loader, Warehouse
from stripe_sync.warehouse.model import Checkpoint, Source
from stripe_sync.warehouse.polling import LEDGER_RETENTION, PollStanding
from unit.warehouse.observations import CUSTOMER, NOON, RESOURCE, SYNC, at, batch, seen, told


def status(warehouse: Warehouse) -> CollectionStatus:
    found = warehouse.collection_state(SYNC, CUSTOMER)
    assert found is not None
    return found


def test_a_sync_is_made_once_and_takes_new_settings(warehouse: Warehouse) -> None:
    made = warehouse.get_sync("main")
    assert (made.id, made.resource_id, made.status) == (SYNC, RESOURCE, "active")
    same = {"account_id": "acct_1", "resource_id": RESOURCE, "livemode": False}
    assert warehouse.ensure_sync("main", **same, api_version="2026") == made
    changed = warehouse.ensure_sync("main", **same, api_version="2027", settings={"redact": True})
    assert (changed.api_version, changed.settings) == ("2027", {"redact": True})
    assert changed.updated_at > made.updated_at
    assert [sync.name for sync in warehouse.list_syncs()] == ["main"]


def test_a_sync_keeps_its_account(warehouse: Warehouse) -> None:
    other = warehouse.ensure_sync(
        "main",
        account_id="acct_2",
        resource_id=ids.resource_id("acct_2", livemode=True),
        livemode=True,
        api_version="2027",
    )
    assert other == warehouse.get_sync("main")
    assert (other.account_id, other.livemode, other.api_version) == ("acct_1", False, "2026")


@pytest.mark.parametrize("name", ["", "Main", "a/b", "../up", "two words"])
def test_the_name_of_a_sync_is_a_slug(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a sync"):
        warehouse.ensure_sync(
            name, account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
        )


def test_an_unknown_sync_is_answered_with_those_known(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match=r"no sync named 'other' \(known: main\)"):
        warehouse.get_sync("other")
    with pytest.raises(WarehouseError, match="does not know the sync"):
        warehouse.poll_standing(ids.sync_id("other"))
    with pytest.raises(WarehouseError, match="does not know the sync"):
        warehouse.set_fence(ids.sync_id("other"), 1, at=NOON)
    with pytest.raises(WarehouseError, match="does not know the sync"):
        warehouse.last_seq(ids.sync_id("other"))


def test_a_warehouse_without_tables_says_so(empty_database_url: str) -> None:
    with (
        Warehouse(empty_database_url) as empty,
        pytest.raises(WarehouseError, match=r"has no tables yet .* a backfill makes them"),
    ):
        empty.collection_statuses("main")


def test_a_run_goes_through_its_states(warehouse: Warehouse, loader: Loader) -> None:
    assert warehouse.collection_state(SYNC, CUSTOMER) is None
    warehouse.queue_collection(SYNC, CUSTOMER)
    assert (status(warehouse).status, status(warehouse).generation) == ("pending", 0)
    warehouse.start_collection(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 1, {"at": 1}, 10, 2, 50.0)
    loader.load(batch(seen(), source=Source.BACKFILL, checkpoint=checkpoint))
    running = status(warehouse)
    assert (running.status, running.collection, running.position) == (
        "running",
        "customer",
        {"at": 1},
    )
    assert (running.chunk, running.percent, running.finished_at) == (1, 50.0, None)
    warehouse.finish_collection(SYNC, CUSTOMER, "done", requests=3, seconds=1.5)
    done = status(warehouse)
    assert (done.status, done.objects, done.requests, done.seconds) == ("done", 10, 3, 1.5)
    assert done.percent == 100
    assert done.finished_at is not None
    assert warehouse.collection_statuses("main") == [done]


def test_queueing_keeps_what_an_interrupted_run_left(warehouse: Warehouse, loader: Loader) -> None:
    warehouse.start_collection(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 4, {"at": 1}, 10, 2)
    loader.load(batch(source=Source.BACKFILL, checkpoint=checkpoint))
    warehouse.queue_collection(SYNC, CUSTOMER)
    assert (status(warehouse).status, status(warehouse).position) == ("running", {"at": 1})
    warehouse.finish_collection(SYNC, CUSTOMER, "failed", "Stripe is down")
    assert status(warehouse).message == "Stripe is down"
    warehouse.queue_collection(SYNC, CUSTOMER)
    waiting = status(warehouse)
    assert (waiting.status, waiting.message, waiting.chunk) == ("pending", None, 4)
    assert waiting.position == {"at": 1}
    warehouse.start_collection(SYNC, CUSTOMER, generation=1, resumed=True)
    assert (status(warehouse).position, status(warehouse).objects) == ({"at": 1}, 10)


def test_queueing_after_a_run_that_ended_begins_anew(warehouse: Warehouse, loader: Loader) -> None:
    warehouse.start_collection(SYNC, CUSTOMER, generation=1, resumed=False)
    checkpoint = Checkpoint(CUSTOMER, 1, 4, {"at": 1}, 10, 2)
    loader.load(batch(source=Source.BACKFILL, checkpoint=checkpoint))
    warehouse.finish_collection(SYNC, CUSTOMER, "forbidden", "no", permission="rak_customer_read")
    assert status(warehouse).permission == "rak_customer_read"
    warehouse.queue_collection(SYNC, CUSTOMER)
    waiting = status(warehouse)
    assert (waiting.status, waiting.position, waiting.permission) == ("pending", None, None)
    warehouse.start_collection(SYNC, CUSTOMER, generation=2, resumed=False)
    fresh = status(warehouse)
    assert (fresh.generation, fresh.chunk, fresh.objects, fresh.requests) == (2, 0, 0, 0)


def test_one_process_backfills_a_collection_at_a_time(warehouse: Warehouse) -> None:
    with warehouse.backfill_lock(SYNC, CUSTOMER):
        with (
            pytest.raises(SyncBusy, match="another process is backfilling stripe:customer"),
            warehouse.backfill_lock(SYNC, CUSTOMER),
        ):
            pass
        with warehouse.backfill_lock(SYNC, "stripe:charge"):
            pass
    with warehouse.backfill_lock(SYNC, CUSTOMER):
        pass


def test_a_backfill_lock_dies_with_its_process(warehouse: Warehouse, warehouse_url: str) -> None:
    ours, theirs = processes.Pipe()
    holder = processes.Process(target=hold_backfill_lock, args=(warehouse_url, theirs))
    holder.start()
    assert ours.recv() == "held"
    with pytest.raises(SyncBusy), warehouse.backfill_lock(SYNC, CUSTOMER):
        pass
    holder.kill()
    holder.join()
    taken = False
    while not taken:  # the server notices the death in its own time
        try:
            with warehouse.backfill_lock(SYNC, CUSTOMER):
                taken = True
        except SyncBusy:
            continue


def test_the_first_fence_holds(warehouse: Warehouse) -> None:
    assert warehouse.poll_standing(SYNC) == PollStanding(None, None, None)
    assert warehouse.set_fence(SYNC, 1_700_000_000, at=at(0)) == 1_700_000_000
    assert warehouse.set_fence(SYNC, 1_800_000_000, at=at(1)) == 1_700_000_000
    assert warehouse.poll_standing(SYNC) == PollStanding(1_700_000_000, None, at(0))


def test_a_lease_passes_on_when_it_runs_out_or_is_given_back(warehouse: Warehouse) -> None:
    assert warehouse.acquire_poll_lease(SYNC, "a", seconds=60)
    assert not warehouse.acquire_poll_lease(SYNC, "b", seconds=60)
    assert warehouse.acquire_poll_lease(SYNC, "a", seconds=-1)
    assert warehouse.acquire_poll_lease(SYNC, "b", seconds=60)
    warehouse.release_poll_lease(SYNC, "a")
    assert not warehouse.acquire_poll_lease(SYNC, "a", seconds=60)
    warehouse.release_poll_lease(SYNC, "b")
    assert warehouse.acquire_poll_lease(SYNC, "a", seconds=60)


def test_the_ledger_forgets_only_what_stripe_forgot(warehouse: Warehouse, loader: Loader) -> None:
    loader.load(batch(seen(told=told("evt_old")), seen(told=told("evt_new", created=60))))
    assert warehouse.prune_ledger(SYNC, NOON + LEDGER_RETENTION) == 0
    assert warehouse.prune_ledger(SYNC, at(30) + LEDGER_RETENTION) == 1
    assert list(warehouse.known_stripe_events(SYNC, since=at(0))) == ["evt_new"]


def test_the_lake_position_never_goes_back(warehouse: Warehouse) -> None:
    assert warehouse.lake_position(SYNC) == 0
    for seq in (5, 3):
        with warehouse.lake_lock(SYNC) as turn:
            warehouse.set_lake_position(SYNC, seq, turn)
    assert warehouse.lake_position(SYNC) == 5


def test_a_part_of_the_stream_leaves_out_what_backfills_wrote(
    warehouse: Warehouse, loader: Loader
) -> None:
    loader.load(batch(seen(), seen(upstream_id="cus_2"), source=Source.BACKFILL))
    loader.load(batch(seen({"n": 1}, when=1), seen(upstream_id="cus_3")))
    loader.load(batch(seen({"n": 2}, when=2)))
    loader.load(batch(seen({"n": 1}, when=1, upstream_id="cus_2"), source=Source.BACKFILL))

    first = warehouse.stream_part(SYNC, after=0, limit=2)
    assert (first.last_seq, [event.upstream_id for event in first.events]) == (
        4,
        ["cus_1", "cus_3"],
    )
    assert [record.upstream_id for record in first.records] == ["cus_3"]
    second = warehouse.stream_part(SYNC, after=4, limit=2)
    assert second.last_seq == 6
    assert [record.payload_json for record in second.records] == [second.events[0].data_json]
    assert warehouse.stream_part(SYNC, after=6, limit=2).last_seq == 6
