"""Deliveries of a pull consumer: their order, their acks, what comes again and when."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from integration.consumers.pull.conftest import (
    LONG,
    NAME,
    cursors,
    items,
    make_due,
    names,
    pull_consumer,
    tokens,
    with_queue,
)
from integration.streams.conftest import Streams, customer
from stripe_sync import (
    ConfigurationError,
    ConsumerConflict,
    ConsumerNotFound,
    PullBatch,
    PullQueue,
    create_consumer,
    delete_consumer,
    get_consumer,
    pause_consumer,
    redeliver_dead_letters,
    replay_consumer,
    update_consumer,
)
from stripe_sync.consumers.pull.tokens import new_batch, token_of


def run(streams: Streams, *steps: Any) -> list[Any]:
    """Results of calls of the queue: each is the name of a method and its arguments."""

    async def use(queue: PullQueue) -> list[Any]:
        return [await getattr(queue, name)(NAME, *values, **more) for name, values, more in steps]

    return with_queue(streams.url, use)


def taken(streams: Streams, batch_size: int = 100) -> PullBatch:
    [batch] = run(streams, ("next", (), {"batch_size": batch_size}))
    return batch


def ack(streams: Streams, *given: str) -> list[str]:
    [result] = run(streams, ("ack", (given,), {}))
    return list(result.expired)


def nack(streams: Streams, *given: str) -> list[str]:
    [result] = run(streams, ("nack", (given,), {}))
    return list(result.expired)


def values(batch: PullBatch) -> list[Any]:
    """The field ``v`` of what was delivered."""
    return [
        (item.json().get("data") or item.json().get("payload"))["v"]
        for item in (each.item for each in batch.items)
    ]


def test_what_is_acknowledged_does_not_come_again(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1, 2, 3)
    first = taken(streams, 2)
    assert (names(first), first.info.num_pending, first.info.num_ack_pending) == (
        ["cus_1", "cus_2"],
        1,
        2,
    )
    assert ack(streams, *tokens(first)) == []
    rest = taken(streams)
    assert (names(rest), rest.info.num_pending, rest.info.num_ack_pending) == (["cus_3"], 0, 1)
    assert ack(streams, *tokens(rest)) == []
    assert names(taken(streams)) == []
    info = get_consumer(streams.url, NAME)
    assert (info.delivered, info.pending, info.lag_items) == (3, 0, 0)


def test_changes_of_one_object_come_one_after_the_other(streams: Streams) -> None:
    pull_consumer(streams)
    for when in range(3):
        streams.customers(1, v=when, when=when)
    streams.customers(2, v="other")
    first = taken(streams)
    assert values(first) == [0, "other"]
    assert first.info.num_pending == 2
    assert taken(streams).items == []
    ack(streams, tokens(first)[0])
    second = taken(streams)
    assert values(second) == [1]
    ack(streams, *tokens(second))
    assert values(taken(streams)) == [2]


def test_what_is_not_acknowledged_in_time_comes_again_and_first(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1, 2, 3)
    lost = taken(streams, 2)
    make_due(streams)
    again = taken(streams)
    assert names(again) == ["cus_1", "cus_2", "cus_3"]
    # The token of a delivery does not acknowledge the next one.
    assert ack(streams, *tokens(lost)) == tokens(lost)
    assert ack(streams, *tokens(again)) == []
    assert items(streams) == []


def test_an_ack_after_its_time_counts_where_nothing_was_delivered_since(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1)
    late = taken(streams)
    make_due(streams)
    assert ack(streams, *tokens(late)) == []
    assert taken(streams).items == []


def test_what_is_refused_waits_and_keeps_its_object_waiting(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1, v=0)
    streams.customers(1, v=1, when=1)
    for waits in (1, 2, 4):
        batch = taken(streams)
        assert values(batch) == [0]
        assert nack(streams, *tokens(batch)) == []
        assert taken(streams).items == []
        with psycopg.connect(streams.url) as connection:
            [(seconds,)] = connection.execute(
                "SELECT extract(epoch FROM due_at - now()) FROM stripe_sync.consumer_items"
                " WHERE state = 'retry'"
            ).fetchall()
        assert waits - 1 < seconds <= waits
        make_due(streams)
    assert nack(streams, *tokens(batch)) == tokens(batch)


@pytest.mark.parametrize("refuses", [True, False])
def test_an_item_that_was_delivered_too_often_is_a_dead_letter(
    streams: Streams, refuses: bool
) -> None:
    pull_consumer(streams, max_deliver=2)
    streams.customers(1, v=0)
    streams.customers(1, v=1, when=1)
    for _ in range(2):
        batch = taken(streams)
        assert values(batch) == [0]
        if refuses:
            nack(streams, *tokens(batch))
        make_due(streams)
    later = taken(streams)
    assert values(later) == [1]
    assert get_consumer(streams.url, NAME).dead == 1
    assert redeliver_dead_letters(streams.url, NAME) == 1
    # It waits until nothing of its object is in flight.
    assert taken(streams).items == []
    ack(streams, *tokens(later))
    assert values(taken(streams)) == [0]


def test_redelivered_dead_letters_of_one_object_come_in_order(streams: Streams) -> None:
    pull_consumer(streams, max_deliver=1)
    for when in range(3):
        streams.customers(1, v=when, when=when)
        nack(streams, *tokens(taken(streams)))
    redeliver_dead_letters(streams.url, NAME)
    for when in range(3):
        batch = taken(streams)
        assert values(batch) == [when]
        ack(streams, *tokens(batch))


def test_nothing_is_delivered_above_the_limit_of_acks(streams: Streams) -> None:
    pull_consumer(streams, max_ack_pending=2)
    streams.customers(1, 2, 3)
    first = taken(streams)
    assert (len(first.items), first.info.waits_for_acks) == (2, True)
    blocked = taken(streams)
    assert (blocked.items, blocked.info.waits_for_acks) == ([], True)
    assert (blocked.info.num_pending, blocked.info.num_ack_pending) == (1, 2)
    # What was not acknowledged in time counts already.
    make_due(streams)
    again = taken(streams)
    assert names(again) == ["cus_1", "cus_2"]
    ack(streams, tokens(again)[0])
    assert names(taken(streams)) == ["cus_3"]


def test_the_cursor_passes_what_the_filters_leave_out(streams: Streams) -> None:
    pull_consumer(streams, filters={"collection_id": ["charge"], "event_type": ["created"]})
    streams.customers(*range(20))
    streams.customers(1, sync="south", collection="charge")
    batch = taken(streams, 1)
    assert names(batch) == ["cha_1"]
    taken(streams)
    assert cursors(streams) == {"north": 20, "south": 1}


def test_a_record_that_changes_while_it_is_in_flight_comes_again_as_it_is_then(
    streams: Streams,
) -> None:
    pull_consumer(streams, stream="records")
    streams.customers(1, v=0)
    first = taken(streams)
    for when in (1, 2):
        streams.customers(1, v=when, when=when)
        assert taken(streams).items == []
    streams.customers(1, v=3, when=3)
    ack(streams, *tokens(first))
    second = taken(streams)
    assert values(second) == [3]
    ack(streams, *tokens(second))
    # Its position may come once more, where it was delivered before the cursor came to it.
    third = taken(streams)
    assert set(values(third)) <= {3}
    ack(streams, *tokens(third))
    assert (taken(streams).items, items(streams)) == ([], [])


def test_a_record_that_is_due_again_is_delivered_as_it_is_now(streams: Streams) -> None:
    pull_consumer(streams, stream="records")
    streams.customers(1, 2, v=0)
    lost = taken(streams)
    streams.customers(1, v=1, when=1)
    make_due(streams)
    again = taken(streams)
    assert sorted(values(again)) == [0, 1]
    assert ack(streams, *tokens(lost)) == tokens(lost)
    assert ack(streams, *tokens(again)) == []
    assert items(streams) == []


def test_change_events_that_are_gone_are_passed(streams: Streams) -> None:
    pull_consumer(streams)
    for when in range(2):
        streams.customers(1, v=when, when=when)
    taken(streams)
    with psycopg.connect(streams.url) as connection:
        connection.execute("DELETE FROM stripe_raw.events WHERE seq = 1")
    make_due(streams)
    taken(streams)
    assert values(taken(streams)) == [1]


def test_what_changed_filters_leave_out_does_not_come_again(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1)
    streams.customers(2, sync="south")
    streams.write(customer(3, collection="product"))
    streams.write(customer(3, collection="product", v=2, when=1))
    assert len(taken(streams).items) == 3
    filters = {"collection_id": "customer", "sync_id": "south"}
    update_consumer(streams.url, NAME, filters=filters)
    make_due(streams)
    assert names(taken(streams)) == ["cus_2"]
    make_due(streams)
    assert names(taken(streams)) == ["cus_2"]
    assert len(items(streams)) == 1


def test_a_sync_that_is_deleted_takes_its_items_with_it(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1)
    streams.customers(1, sync="south")
    batch = taken(streams)
    with psycopg.connect(streams.url) as connection:
        connection.execute("DELETE FROM stripe_sync.syncs WHERE name = 'north'")
    assert len(ack(streams, *tokens(batch))) == 1
    assert taken(streams).items == []


def test_tokens_of_before_a_replay_acknowledge_nothing(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1)
    before = taken(streams)
    replay_consumer(streams.url, NAME, "all")
    after = taken(streams)
    assert names(after) == ["cus_1"]
    assert ack(streams, *tokens(before)) == tokens(before)
    delete_consumer(streams.url, NAME)
    pull_consumer(streams)
    assert names(taken(streams)) == ["cus_1"]
    assert ack(streams, *tokens(after)) == tokens(after)


def test_odd_tokens_are_expired(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1)
    [each] = taken(streams).items
    odd = ["", "\0", "é" * 48, "A" * 48, "-" * 48, "\ud800", "x" * 10_000]
    odd.append(token_of(each.item.key, new_batch()))
    assert ack(streams, *odd, each.ack_token, each.ack_token) == odd
    assert nack(streams, *odd) == odd
    assert get_consumer(streams.url, NAME).delivered == 1


def test_a_consumer_that_cannot_be_read_is_refused_with_the_reason(streams: Streams) -> None:
    with pytest.raises(ConsumerNotFound):
        taken(streams)
    pull_consumer(streams)
    with pytest.raises(ConfigurationError, match="batch_size"):
        taken(streams, 0)
    streams.customers(1)
    batch = taken(streams)
    pause_consumer(streams.url, NAME)
    with pytest.raises(ConsumerConflict, match="paused"):
        taken(streams)
    # Work that was done before counts.
    assert ack(streams, *tokens(batch)) == []
    delete_consumer(streams.url, NAME)
    create_consumer(streams.url, NAME, "kafka", connection_id="kafka")
    with pytest.raises(ConsumerConflict, match="of kind kafka"):
        taken(streams)
    with pytest.raises(ConsumerConflict, match="of kind kafka"):
        ack(streams, *tokens(batch))
    delete_consumer(streams.url, NAME)
    pull_consumer(streams, filters={"sync_id": ["south"]})
    with psycopg.connect(streams.url) as connection:
        connection.execute("DELETE FROM stripe_sync.syncs WHERE name = 'south'")
    with pytest.raises(ConsumerConflict, match="'south'"):
        taken(streams)


def test_what_waits_behind_an_object_in_flight_is_bounded(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1, v=0)
    with psycopg.connect(streams.url) as connection:
        connection.execute(
            "INSERT INTO stripe_raw.events (sync_id, seq, id, resource_id, collection_id,"
            " upstream_id, event_type, data, created_at, upstream_updated_at, source, api_version)"
            " SELECT sync_id, seq + number, gen_random_uuid(), resource_id, collection_id,"
            " upstream_id, 'updated', jsonb_build_object('v', number), now(), now(), 'poll',"
            " api_version FROM stripe_raw.events, generate_series(1, 10005) AS number"
        )
        connection.execute(
            "UPDATE stripe_sync.stream_position SET last_seq = 10006 WHERE last_seq = 1"
        )
    streams.customers(2, v="other")
    first = taken(streams)
    assert values(first) == [0]
    while not (blocked := taken(streams)).info.waits_for_acks:
        assert blocked.items == []
    assert cursors(streams) == {"north": 10_001}
    ack(streams, *tokens(first))
    # One of those that waited makes room for one more; what comes after the others is not lost.
    second = taken(streams)
    assert values(second) == [1]
    assert cursors(streams) == {"north": 10_002}


def test_a_waiting_reader_gets_the_next_change_and_what_an_ack_releases(streams: Streams) -> None:
    pull_consumer(streams)

    async def use(queue: PullQueue) -> tuple[list[Any], list[Any]]:
        waits = asyncio.create_task(queue.next(NAME, wait_seconds=LONG))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(streams.customers, 1, v=0)
        first = await waits
        await asyncio.to_thread(streams.customers, 1, v=1, when=1)
        waits = asyncio.create_task(queue.next(NAME, wait_seconds=LONG))
        await asyncio.sleep(0.05)
        await queue.ack(NAME, tokens(first))
        return values(first), values(await waits)

    assert with_queue(streams.url, use) == ([0], [1])


def test_a_reader_waits_for_what_is_due_again_and_for_acks_of_other_processes(
    streams: Streams,
) -> None:
    pull_consumer(streams, ack_wait_ms=300)
    streams.customers(1, v=0)

    async def use(queue: PullQueue) -> list[Any]:
        lost = await queue.next(NAME)
        again = await queue.next(NAME, wait_seconds=LONG)
        await asyncio.to_thread(streams.customers, 1, v=1, when=1)
        waits = asyncio.create_task(queue.next(NAME, wait_seconds=LONG))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(ack, streams, *tokens(again))
        return [values(batch) for batch in (lost, again, await waits)]

    assert with_queue(streams.url, use)[:2] == [[0], [0]]


def test_a_reader_that_goes_away_has_taken_nothing(streams: Streams) -> None:
    pull_consumer(streams)
    streams.customers(1, 2)

    async def use(queue: PullQueue) -> PullBatch:
        goes = [asyncio.create_task(queue.next(NAME, wait_seconds=LONG)) for _ in range(20)]
        for number, each in enumerate(goes):
            for _ in range(number * 3):
                await asyncio.sleep(0)
            each.cancel()
        done = await asyncio.gather(*goes, return_exceptions=True)
        for each in done:
            if isinstance(each, PullBatch):
                await queue.give_back(NAME, each)
        return await queue.next(NAME, batch_size=2)

    batch = with_queue(streams.url, use)
    assert names(batch) == ["cus_1", "cus_2"]
    assert {deliveries for _, _, deliveries in items(streams)} == {1}


def test_many_waiting_readers_share_five_connections_and_pass_the_cursor_on(
    streams: Streams,
) -> None:
    pull_consumer(streams, filters={"collection_id": ["charge"]})

    async def use(queue: PullQueue) -> tuple[int, list[PullBatch]]:
        readers = [asyncio.create_task(queue.next(NAME, wait_seconds=LONG)) for _ in range(300)]
        await asyncio.to_thread(streams.customers, 1, 2, 3)
        while cursors(streams).get("north") != 3:
            await asyncio.sleep(0.05)
        async with await psycopg.AsyncConnection.connect(streams.url) as connection:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'stripe_sync'"
            )
            ((used,),) = await (await connection.execute(query)).fetchall()
        charges = range(len(readers))
        await asyncio.to_thread(streams.customers, *charges, collection="charge")
        return used, await asyncio.gather(*readers)

    streams.warehouse.close()
    used, batches = with_queue(streams.url, use)
    assert used <= 5
    assert sorted(name for batch in batches for name in names(batch)) == sorted(
        f"cha_{number}" for number in range(300)
    )
