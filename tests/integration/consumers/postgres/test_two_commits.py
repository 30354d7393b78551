"""The target commits a batch and the warehouse does not, as when a process dies in between."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from databases import new_database
from integration.consumers.postgres.target_database import TargetDatabase
from integration.streams.conftest import Streams
from stripe_sync import (
    create_consumer,
    deliver,
    get_consumer,
    redeliver_dead_letters,
    replay_consumer,
)
from stripe_sync.warehouse import Warehouse
from warehouse_rows import execute, rows

PATIENCE = 60.0

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON stripe_sync.consumer_cursors
FOR EACH ROW EXECUTE FUNCTION refuse()
"""
EXPIRE = "UPDATE stripe_sync.consumers SET lease_until = clock_timestamp()"


class Copy:
    def __init__(self, streams: Streams, target: TargetDatabase, *, is_new: bool = True) -> None:
        self.streams, self.target = streams, target
        if not is_new:
            return
        target.deliver(stream="events")  # makes the tables
        create_consumer(streams.url, "out", "postgres", stream="events", connection_id="target")

    def deliver(self, is_done: Callable[[], bool]) -> None:
        execute(self.streams.url, EXPIRE)
        until = time.monotonic() + PATIENCE

        def stops() -> bool:
            assert time.monotonic() < until, get_consumer(self.streams.url, "out")
            return is_done()

        deliver(self.streams.url, lambda _id: self.target.connection(), is_stopping=stops)

    def deliver_all(self) -> None:
        self.deliver(lambda: get_consumer(self.streams.url, "out").lag_items == 0)

    def deliver_without_the_warehouse(self, name: str, number: int) -> None:
        """Deliver until an object has so many change events there; the warehouse notes none."""
        query = f"SELECT count(*) FROM stripe.events WHERE upstream_id = '{name}'"
        execute(self.streams.url, REFUSE)
        self.deliver(lambda: self.target.sql(query) == [(number,)])
        execute(self.streams.url, "DROP FUNCTION refuse() CASCADE")

    def events(self) -> tuple[list[tuple[int]], list[tuple[int]]]:
        return (
            self.target.sql("SELECT seq FROM stripe.events ORDER BY seq"),
            rows(self.streams.url, "SELECT seq FROM stripe_raw.events ORDER BY seq"),
        )


@pytest.fixture
def copy(streams: Streams, target: TargetDatabase) -> Copy:
    return Copy(streams, target)


def test_the_cursor_of_the_warehouse_follows_although_nothing_is_new(copy: Copy) -> None:
    copy.streams.customers(1)
    copy.deliver_all()
    copy.streams.customers(2)
    copy.deliver_without_the_warehouse("cus_2", 1)
    assert get_consumer(copy.streams.url, "out").lag_items == 1
    copy.deliver_all()
    there, here = copy.events()
    assert there == here


def test_items_behind_a_redelivered_dead_letter_are_not_lost(copy: Copy) -> None:
    copy.target.sql("ALTER TABLE stripe.events ADD CHECK (data->>'bad' IS NULL)")
    numbers = list(range(150))
    copy.streams.customers(999)
    copy.streams.customers(*numbers, bad=1)
    for number in range(80):  # a table that refuses every row of a batch is taken to be wrong
        copy.streams.customers(1000 + number)
    copy.deliver_all()
    assert get_consumer(copy.streams.url, "out").dead == len(numbers)
    copy.target.sql("ALTER TABLE stripe.events DROP CONSTRAINT events_data_check")
    copy.streams.customers(*numbers, when=1, good=1)
    copy.streams.customers(999, when=1, good=1)
    assert redeliver_dead_letters(copy.streams.url, "out") == len(numbers)
    copy.deliver_without_the_warehouse("cus_999", 2)
    copy.deliver_all()
    there, here = copy.events()
    assert there == here


def test_a_warehouse_that_was_restored_leaves_nothing_out(copy: Copy) -> None:
    copy.streams.customers(1, 2)
    copy.deliver_all()
    # Since then the target was delivered seven more positions, which the warehouse has lost.
    copy.target.sql(
        "UPDATE stripe.stripe_sync_cursors SET last_batch = gen_random_uuid(), positions ="
        f" jsonb_build_object('{copy.streams.id('north')}', 9) WHERE consumer = 'out'"
    )
    copy.streams.customers(3)
    copy.deliver(lambda: get_consumer(copy.streams.url, "out").status == "failing")
    error = get_consumer(copy.streams.url, "out").last_error
    assert error is not None
    assert "up to position 9, but the warehouse up to 3 only" in error
    replay_consumer(copy.streams.url, "out", "all")
    copy.deliver_all()
    there, here = copy.events()
    assert there == here


@pytest.mark.parametrize("is_noted", [False, True])
def test_a_warehouse_that_has_passed_what_it_lost_leaves_nothing_out(
    copy: Copy, postgres_url: str, is_noted: bool
) -> None:
    copy.streams.customers(1)
    copy.deliver_all()
    copy.streams.warehouse.close()
    with new_database(postgres_url, like=copy.streams.url) as url:
        copy.streams.customers(2, 3)
        if is_noted:
            copy.deliver_all()
        else:
            copy.deliver_without_the_warehouse("cus_3", 1)
        lost = Copy(Streams(url, Warehouse(url)), copy.target, is_new=False)
        with lost.streams.warehouse:
            lost.streams.customers(4, 5, 6)
        lost.deliver(lambda: get_consumer(url, "out").status == "failing")
        error = get_consumer(url, "out").last_error
        assert error is not None
        assert "changes that the warehouse does not have" in error
        replay_consumer(url, "out", "all")
        lost.deliver_all()
        names = "SELECT upstream_id FROM {} ORDER BY 1"
        there = copy.target.sql(names.format("stripe.events"))
        assert there == [(f"cus_{number}",) for number in range(1, 7)]


def test_a_warehouse_that_has_lost_cursors_only_goes_on_where_the_target_is(copy: Copy) -> None:
    copy.streams.customers(1)
    copy.deliver_all()
    keep = """
    CREATE TABLE c AS TABLE stripe_sync.consumer_cursors;
    CREATE TABLE p AS SELECT name, position FROM stripe_sync.consumers
    """
    execute(copy.streams.url, keep)
    for number in (2, 3):
        copy.streams.customers(number)
        copy.deliver_all()
    lose = """
    UPDATE stripe_sync.consumer_cursors SET seq = c.seq FROM c;
    UPDATE stripe_sync.consumers SET position = p.position FROM p WHERE p.name = consumers.name
    """
    execute(copy.streams.url, lose)
    copy.deliver_all()
    there, here = copy.events()
    assert there == here
