"""Items are delivered in order per object, and once each while nothing fails."""

from __future__ import annotations

import random
import time
from collections import defaultdict

import pytest

from integration.consumers.file_sink import FileSink
from integration.consumers.running import Running
from stripe_sync import (
    dead_letters,
    pause_consumer,
    redeliver_dead_letters,
    replay_consumer,
    resume_consumer,
    update_consumer,
)
from stripe_sync.consumers.sink import DeliveryBatch, ItemFailure, Outcome, TargetError
from warehouse_rows import execute, rows


def test_everything_is_delivered_in_order_and_what_comes_later_too(out: Running) -> None:
    out.streams.customers(*range(1500))
    out.create()
    out.start()
    out.until(lambda: len(out.lines()) == 1500)
    out.streams.customers(7, name="new")
    out.streams.customers(7, name="newer")
    out.until(lambda: len(out.lines()) == 1502)
    out.stop()
    assert [seq for _, seq in out.lines()] == list(range(1, 1503))
    found = out.consumer
    assert (found.delivered, found.lag_items, found.status) == (1502, 0, "active")
    assert [(each.name, each.delivered) for each in out.statuses[-1]] == [("out", 1502)]


def test_a_cursor_passes_what_a_filter_leaves_out(out: Running) -> None:
    out.create(filters={"collection_id": ["plan"]})
    out.streams.customers(*range(5))
    out.run_until(lambda: out.consumer.lag_items == 0)
    assert out.lines() == []


def test_the_sinks_position_is_stored_with_the_cursor(out: Running) -> None:
    out.streams.customers(1, 2, 3)
    out.create()
    out.run_until(lambda: out.consumer.delivered == 3)
    position = "SELECT position ->> 'delivered' FROM stripe_sync.consumers"
    assert rows(out.streams.url, position) == [("3",)]
    out.streams.customers(4)
    out.run_until(lambda: out.consumer.delivered == 4)
    assert rows(out.streams.url, position) == [("4",)]


def test_one_object_that_fails_does_not_hold_up_the_others(out: Running) -> None:
    fails = True

    def answer(batch: DeliveryBatch) -> Outcome:
        bad = [item for item in batch.items if item.upstream_id == "cus_1" and fails]
        failed = {item.key: ItemFailure("refused: look at it") for item in bad[:1]}
        return Outcome(failed=failed, skipped=frozenset(item.key for item in bad[1:]))

    FileSink.answer = staticmethod(answer)
    out.create()
    for number in range(4):
        out.streams.customers(1, 2, 3, step=number)
    out.start()
    out.until(lambda: len(out.lines()) == 8)
    found = out.consumer
    assert (found.status, found.pending, found.dead) == ("failing", 4, 0)
    assert found.last_error == "refused: look at it"
    fails = False
    resume_consumer(out.streams.url, "out")
    out.until(lambda: len(out.lines()) == 12)
    out.until(lambda: out.consumer.status == "active")
    out.stop()
    assert [seq for name, seq in out.lines() if name == "cus_1"] == [1, 4, 7, 10]
    assert out.consumer.pending == 0


def test_of_a_record_only_the_newest_state_waits(out: Running) -> None:
    def answer(batch: DeliveryBatch) -> Outcome:
        return Outcome(failed={item.key: ItemFailure("no") for item in batch.items})

    FileSink.answer = staticmethod(answer)
    out.create("records")
    out.streams.customers(1)
    out.start()
    out.until(lambda: out.consumer.pending == 1)
    for number in range(5):
        [(moment,)] = rows(out.streams.url, "SELECT clock_timestamp()")
        out.streams.customers(1, step=number)
        out.until(lambda: out.consumer.lag_items == 1)
    assert rows(out.streams.url, "SELECT seq FROM stripe_sync.consumer_items") == [(6,)]
    # Or an object that changes often would never be given up.
    [(since,)] = rows(out.streams.url, "SELECT created_at FROM stripe_sync.consumer_items")
    assert since < moment
    FileSink.answer = None
    resume_consumer(out.streams.url, "out")
    out.until(lambda: out.lines() == [("cus_1", 6)])
    out.stop()


@pytest.mark.parametrize(
    "filters",
    [{"collection_id": "plan"}, {"event_type": "deleted"}, {"sync_id": "south"}],
)
def test_what_changed_filters_leave_out_waits_no_longer(
    out: Running, filters: dict[str, str]
) -> None:
    FileSink.answer = staticmethod(
        lambda batch: Outcome(
            failed={item.key: ItemFailure("no", retry_after=3_600.0) for item in batch.items}
        )
    )
    out.create()
    out.streams.customers(1, 2)
    out.start()
    out.until(lambda: out.consumer.pending == 2)
    update_consumer(out.streams.url, "out", filters=filters)
    out.until(lambda: out.consumer.pending == 0 and out.consumer.status == "active")
    out.stop()
    assert out.lines() == []


def test_final_failures_are_dead_letters_and_can_be_delivered_again(out: Running) -> None:
    def answer(batch: DeliveryBatch) -> Outcome:
        bad = (item for item in batch.items if item.upstream_id == "cus_2")
        return Outcome(failed={item.key: ItemFailure("too large", is_final=True) for item in bad})

    FileSink.answer = staticmethod(answer)
    out.create()
    out.streams.customers(1, 2, 3)
    out.streams.customers(2, step=2)
    out.start()
    out.until(lambda: out.consumer.dead == 2)
    assert [name for name, _ in out.lines()] == ["cus_1", "cus_3"]
    letters = dead_letters(out.streams.url, "out")
    assert [(each.upstream_id, each.seq, each.error) for each in letters] == [
        ("cus_2", 2, "too large"),
        ("cus_2", 4, "too large"),
    ]
    FileSink.answer = None
    assert redeliver_dead_letters(out.streams.url, "out") == 2
    out.until(lambda: out.consumer.dead == 0 and len(out.lines()) == 4)
    out.stop()
    assert [seq for name, seq in out.lines() if name == "cus_2"] == [2, 4]


def test_items_under_way_are_reported_later(out: Running) -> None:
    under_way: list[DeliveryBatch] = []

    def answer(batch: DeliveryBatch) -> Outcome:
        if batch.items and not under_way:
            under_way.append(batch)
            return Outcome(unfinished=frozenset(item.key for item in batch.items))
        if under_way and not batch.items:
            return Outcome(finished=frozenset(item.key for item in under_way[0].items))
        return Outcome(skipped=frozenset(item.key for item in batch.items))

    FileSink.answer = staticmethod(answer)
    out.create()
    out.streams.customers(1, 2)
    out.run_until(lambda: out.consumer.delivered == 2)
    assert out.consumer.pending == 0


def test_a_paused_consumer_gets_nothing(out: Running) -> None:
    out.create()
    out.start()
    out.streams.customers(1)
    out.until(lambda: out.consumer.delivered == 1)
    pause_consumer(out.streams.url, "out")
    free = "SELECT lease_owner IS NULL FROM stripe_sync.consumers"
    out.until(lambda: rows(out.streams.url, free) == [(True,)])
    out.streams.customers(2)
    assert out.consumer.status == "paused"
    resume_consumer(out.streams.url, "out")
    out.until(lambda: out.consumer.delivered == 2)
    out.stop()


def test_a_replay_delivers_again(out: Running) -> None:
    out.create()
    out.streams.customers(1, 2)
    out.start()
    out.until(lambda: out.consumer.delivered == 2)
    replay_consumer(out.streams.url, "out", "all")
    out.until(lambda: out.consumer.delivered == 4)
    out.stop()
    assert [seq for _, seq in out.lines()] == [1, 2, 1, 2]


def test_a_running_delivery_goes_back_where_the_warehouse_has_lost_its_cursor(
    out: Running,
) -> None:
    out.create()
    out.start()
    out.streams.customers(1, 2, 3)
    out.until(lambda: out.consumer.lag_items == 0)
    # As after a failover to a replica that lacks the last commits; what it has in place of them is
    # before the cursor of the delivery, which still runs.
    execute(out.streams.url, "UPDATE stripe_sync.consumer_cursors SET seq = 1")
    out.streams.customers(4)
    out.until(lambda: out.consumer.lag_items == 0)
    out.stop()
    assert [name for name, _ in out.lines()] == [
        *("cus_1", "cus_2", "cus_3", "cus_4"),
        *("cus_2", "cus_3", "cus_4"),
    ]


def test_two_processes_serve_a_consumer_one_after_the_other(out: Running) -> None:
    out.create()
    for _ in range(3):
        out.start()
    for number in range(50):
        out.streams.customers(number % 5, step=number)
    out.until(lambda: out.consumer.delivered == 50)
    out.stop()
    assert [seq for _, seq in out.lines()] == list(range(1, 51))


def test_random_failures_keep_the_order_of_each_object(out: Running) -> None:
    rng = random.Random(11)

    def answer(batch: DeliveryBatch) -> Outcome:
        if rng.random() < 0.1:
            message = "away"
            raise TargetError(message)
        failed, skipped, blocked = {}, set(), set()
        for item in batch.items:
            if item.object_key in blocked:
                skipped.add(item.key)
            elif rng.random() < 0.1:
                blocked.add(item.object_key)
                failed[item.key] = ItemFailure("no", retry_after=None)
        return Outcome(failed=failed, skipped=frozenset(skipped))

    FileSink.answer = staticmethod(answer)
    out.create()
    written: dict[str, list[int]] = defaultdict(list)
    for seq in range(1, 201):
        number = rng.randrange(10)
        out.streams.customers(number, step=seq)
        written[f"cus_{number}"].append(seq)
    out.start()
    while out.consumer.lag_items:
        resume_consumer(out.streams.url, "out")
        time.sleep(0.3)
    out.stop()
    got: dict[str, list[int]] = defaultdict(list)
    for name, seq in out.lines():
        if seq not in got[name]:
            got[name].append(seq)
    assert got == written
