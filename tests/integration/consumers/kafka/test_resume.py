"""After a crash: what the topics have is not sent again, and what they lack is."""

from __future__ import annotations

import asyncio
import logging

import pytest
from confluent_kafka import Producer

from integration.consumers.kafka.conftest import SYNC, Topics, batch_of, change, record
from stripe_sync.consumers.sink import Checkpoint
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import StreamItem


def changes(*seqs: int) -> list[StreamItem]:
    return [change(seq, f"cus_{seq % 3}") for seq in seqs]


def seqs(topics: Topics, collection: str = "customer") -> list[int]:
    return sorted(message.seq for message in topics.read(collection))


def first(topics: Topics) -> Checkpoint:
    """The checkpoint after a first batch."""
    return topics.deliver(changes(1, 2, 3), stream="events")[1]


def test_a_batch_whose_checkpoint_was_not_stored_is_not_sent_again(topics: Topics) -> None:
    stored = first(topics)
    topics.deliver(changes(4, 5, 6), stored, stream="events")
    topics.deliver(changes(4, 5, 6), stored, stream="events")
    assert seqs(topics) == [1, 2, 3, 4, 5, 6]


def test_the_rest_of_a_batch_is_sent(topics: Topics) -> None:
    stored = first(topics)
    topics.deliver(changes(4, 5), stored, stream="events")
    topics.deliver(changes(4, 5, 6, 7), stored, stream="events")
    assert seqs(topics) == [1, 2, 3, 4, 5, 6, 7]


def test_a_first_batch_is_not_sent_again_where_the_position_of_open_was_stored(
    topics: Topics,
) -> None:
    async def opened() -> Checkpoint:
        sink = topics.sink("events")
        try:
            return await sink.open(Checkpoint(StreamCursor()))
        finally:
            await sink.close()

    stored = asyncio.run(opened())
    topics.deliver(changes(1, 2), stored, stream="events")
    topics.deliver(changes(1, 2, 3), stored, stream="events")
    assert seqs(topics) == [1, 2, 3]


def test_a_batch_that_is_cut_otherwise_after_a_crash_is_not_sent_again(topics: Topics) -> None:
    stored = first(topics)
    topics.deliver(changes(4, 5, 6, 7), stored, stream="events")
    _, between = topics.deliver(changes(4, 5), stored, stream="events")
    topics.deliver(changes(6, 7, 8), between, stream="events")
    assert seqs(topics) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_key_whose_earlier_message_is_missing_ends_with_its_last_state(topics: Topics) -> None:
    stored = first(topics)
    topics.deliver([change(5, "cus_a")], stored, stream="events")
    topics.deliver([change(4, "cus_a"), change(5, "cus_a")], stored, stream="events")
    last: dict[str, int] = {message.key: message.seq for message in topics.read()}
    assert 5 in last.values()
    assert 4 not in last.values()
    assert seqs(topics) == [1, 2, 3, 4, 5, 5]


def test_a_topic_that_came_later_is_read_from_its_beginning(topics: Topics) -> None:
    stored = first(topics)
    items = [change(4, "in_1", collection="invoice"), change(5, "in_2", collection="invoice")]
    topics.deliver(items[:1], stored, stream="events")
    topics.deliver(items, stored, stream="events")
    assert seqs(topics, "invoice") == [4, 5]


def test_a_replay_is_sent_again(topics: Topics) -> None:
    _, stored = topics.deliver(changes(4, 5), first(topics), stream="events")
    topics.deliver(changes(1, 2), Checkpoint(StreamCursor(), stored.position), stream="events")
    assert seqs(topics) == [1, 1, 2, 2, 3, 4, 5]


def test_a_new_consumer_of_filled_topics_sends_everything(topics: Topics) -> None:
    first(topics)
    first(topics)
    assert seqs(topics) == [1, 1, 2, 2, 3, 3]


def test_a_record_that_changed_since_the_crash_is_sent_as_it_is_now(topics: Topics) -> None:
    _, stored = topics.deliver([record(1)])
    topics.deliver([record(2, "cus_2"), record(3, "cus_3")], stored)
    topics.deliver([record(3, "cus_3"), record(4, "cus_2")], stored)
    assert seqs(topics) == [1, 2, 3, 4]


def test_messages_of_others_are_passed_over(topics: Topics) -> None:
    stored = first(topics)
    producer = Producer({"bootstrap.servers": topics.broker.servers})
    for headers in (None, [("id", b"\xff"), ("seq", b"9"), ("sync", b"x")], [("id", None)]):
        producer.produce(topics.name(), value=b"other", headers=headers)  # type: ignore[arg-type]
    assert producer.flush(10) == 0
    outcome, _ = topics.deliver(changes(4), stored, stream="events")
    assert not outcome.failed


def test_a_topic_that_was_made_anew_gets_what_follows_and_a_warning(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    stored = first(topics)
    (deleted,) = topics.broker.admin.delete_topics([topics.name()]).values()
    deleted.result()
    with caplog.at_level(logging.WARNING, "stripe_sync"):
        _, stored = topics.deliver(changes(4, 5), stored, stream="events")
    (warning,) = caplog.messages
    assert topics.name() in warning
    topics.deliver(changes(6), stored, stream="events")
    assert seqs(topics) == [4, 5, 6]


def test_another_template_says_nothing_about_the_topics(topics: Topics) -> None:
    stored = first(topics)
    other = f"{topics.prefix}.new.{{collection}}"
    for _ in range(2):
        topics.deliver(changes(4), stored, stream="events", topic=other)
    assert seqs(topics) == [1, 2, 3]
    assert [
        message.seq for message in topics.broker.read_topic(other.format(collection="customer"))
    ] == [
        4,
        4,
    ]


def test_one_sink_goes_on_after_it_was_closed_by_an_error(topics: Topics) -> None:
    async def run() -> None:
        sink = topics.sink("events")
        await sink.open(Checkpoint(StreamCursor({SYNC: 0})))
        await sink.deliver(batch_of(changes(1, 2)))
        await sink.close()
        await sink.deliver(batch_of(changes(3)))
        await sink.close()

    asyncio.run(run())
    assert seqs(topics) == [1, 2, 3]
