"""The numbers of records and change events that the warehouse keeps.

They are compared with the rows in the end of every test, and so after every way to write
(``databases.py``). Here is what they are, and that they stay right with several writers at once.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from counts import wrong_counts
from stripe_sync.records import Source
from stripe_sync.warehouse import BatchWriter, Warehouse
from unit.records.changes.observations import CUSTOMER, SYNC, batch, observation

CHARGE = "stripe:charge"
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


def counted(sql: psycopg.Connection[Any], collection_id: str = CUSTOMER) -> tuple[int, int, int]:
    row = sql.execute(
        "SELECT records, deleted, change_events FROM stripe_sync.collection_counts"
        " WHERE sync_id = %s AND collection_id = %s",
        (SYNC, collection_id),
    ).fetchone()
    return row or (0, 0, 0)


def test_every_change_is_counted(writer: BatchWriter, sql: psycopg.Connection[Any]) -> None:
    writer.load(batch(observation({"n": 1}), observation({"n": 1}, upstream_id="cus_2")))
    assert counted(sql) == (2, 0, 2)
    writer.load(batch(observation({"n": 2}, when=1)))
    assert counted(sql) == (2, 0, 3)
    writer.load(batch(observation({"n": 2}, when=2, deleted=True)))
    assert counted(sql) == (1, 1, 4)
    writer.load(batch(observation({"n": 2}, when=2, deleted=True)))
    assert counted(sql) == (1, 1, 4)
    writer.load(batch(observation({"n": 3}, when=3)))
    assert counted(sql) == (2, 0, 5)


def test_records_without_change_events_are_counted(
    writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    quiet = batch(observation({"n": 1}), source=Source.BACKFILL, created_events=False)
    assert writer.load(quiet).created == 1
    assert counted(sql) == (1, 0, 0)


def test_the_time_of_the_newest_change_is_kept(
    warehouse: Warehouse, writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    for when in range(3):
        writer.load(batch(observation({"n": when}, when=when)))
    newest = "SELECT max(created_at) FROM stripe_raw.events"
    kept = "SELECT last_change_at FROM stripe_sync.collection_counts"
    assert sql.execute(kept).fetchone() == sql.execute(newest).fetchone()


def test_a_transaction_that_fails_counts_nothing(
    writer: BatchWriter, sql: psycopg.Connection[Any]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        writer.load(batch(observation({"n": 1})), fail)
    assert counted(sql) == (0, 0, 0)


def test_wrong_counts_would_be_found(
    writer: BatchWriter, sql: psycopg.Connection[Any], warehouse_url: str
) -> None:
    writer.load(batch(observation({"n": 1})))
    sql.execute("UPDATE stripe_sync.collection_counts SET records = 2")
    assert len(wrong_counts(warehouse_url)) == 1
    sql.execute("DELETE FROM stripe_sync.collection_counts")
    assert len(wrong_counts(warehouse_url)) == 1
    sql.execute(
        "INSERT INTO stripe_sync.collection_counts SELECT %s, %s, 1, 0, 1", (SYNC, CUSTOMER)
    )
    assert len(wrong_counts(warehouse_url)) == 1
    sql.execute("UPDATE stripe_sync.collection_counts SET last_change_at = now()")
    assert wrong_counts(warehouse_url) == []


def test_writers_and_deleters_at_once_count_right(
    warehouse: Warehouse, warehouse_url: str, sql: psycopg.Connection[Any]
) -> None:
    """Each writes records of one collection, and change events of two, in another order."""
    sql.execute("UPDATE stripe_sync.lake_position SET seq = 1000000")

    def write(seed: int) -> None:
        rng = random.Random(seed)
        with warehouse.writer() as writer:
            for _ in range(20):
                observed = [
                    observation(
                        {"n": rng.randrange(1000)},
                        when=rng.randrange(1000),
                        upstream_id=f"{collection[7:10]}_{rng.randrange(40)}",
                        collection_id=collection,
                        deleted=rng.random() < 0.2,
                    )
                    for collection in rng.sample([CUSTOMER, CHARGE, "stripe:refund"], 2) * 4
                ]
                writer.load(batch(*observed, created_events=rng.random() < 0.5))

    def delete(_: int) -> None:
        for _ in range(20):
            warehouse.retention.delete_expired_events(SYNC, FUTURE, unread_before=FUTURE)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, n) for n, work in enumerate([write, write, write, delete])]
        for future in futures:
            future.result()
    assert sql.execute("SELECT sum(records + deleted) > 0 FROM stripe_sync.collection_counts")
    for _, rows in warehouse.removal.delete_data(SYNC):
        assert rows
        assert wrong_counts(warehouse_url) == []
    assert sql.execute("SELECT count(*) FROM stripe_sync.collection_counts").fetchone() == (0,)


@pytest.mark.parametrize("collections", [(CUSTOMER, CHARGE), (CHARGE, CUSTOMER)])
@pytest.mark.parametrize("table", ["records", "events"])
def test_who_deletes_holds_no_count_while_it_waits_for_a_writer(
    writer: BatchWriter, warehouse_url: str, table: str, collections: tuple[str, str]
) -> None:
    writer.load(batch(observation(), observation(collection_id=CHARGE, upstream_id="ch_1")))
    count = (
        "UPDATE stripe_sync.collection_counts SET records = records"
        " WHERE sync_id = %s AND collection_id = %s"
    )
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s"
    with (
        psycopg.connect(warehouse_url) as writing,
        psycopg.connect(warehouse_url, autocommit=True) as deleting,
        psycopg.connect(warehouse_url, autocommit=True) as watching,
        ThreadPoolExecutor(1) as pool,
    ):
        writing.execute("UPDATE stripe_sync.stream_position SET last_seq = last_seq")
        writing.execute(count, (SYNC, collections[0]))
        deletion = pool.submit(deleting.execute, f"DELETE FROM stripe_raw.{table}")
        while watching.execute(waiting, (deleting.info.backend_pid,)).fetchone() != (1,):
            assert not deletion.done()
        # Would wait for the deletion, which waits for this one: an error.
        writing.execute(count, (SYNC, collections[1]))
        writing.commit()
        assert deletion.result().rowcount == 2
