"""What brokers answer when something is wrong, from librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import kafka_mock as mock
from integration.consumers.kafka.conftest import SYNC, Topics, batch_of, change
from kafka_mock import MockCluster, mock_cluster
from stripe_sync.consumers.sink import Checkpoint, Outcome, TargetError
from stripe_sync.consumers.sinks.kafka import KafkaSink
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import StreamItem

LARGE = "y" * 1_200_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as running:
        yield running


@pytest.fixture
def strict(cluster: MockCluster) -> Topics:
    topics = Topics(cluster)
    cluster.create_topic(topics.name())
    return topics


def changes(*seqs: int) -> list[StreamItem]:
    return [change(seq, f"cus_{seq % 2}") for seq in seqs]


def delivered(topics: Topics, items: list[StreamItem], *errors: int) -> tuple[Outcome, list[str]]:
    """Deliver items while the broker answers so; the outcome and the errors on the way."""
    assert isinstance(topics.broker, MockCluster)
    cluster = topics.broker

    async def run() -> tuple[Outcome, list[str]]:
        sink = topics.sink("events", patience=20.0)
        await sink.open(Checkpoint(StreamCursor({SYNC: 0})))
        try:
            await sink.deliver(batch_of(changes(1, 2)))
            cluster.answer_with(*errors)
            return await _tried(sink, items)
        finally:
            await sink.close()

    return asyncio.run(run())


async def _tried(sink: KafkaSink, items: list[StreamItem]) -> tuple[Outcome, list[str]]:
    errors: list[str] = []
    while True:
        try:
            return await sink.deliver(batch_of(items)), errors
        except TargetError as error:
            errors.append(str(error))
            assert len(errors) < 3, errors


@pytest.mark.parametrize(
    "errors", [(mock.NOT_ENOUGH_REPLICAS,) * 2, (mock.ANSWER_LOST,)], ids=["replicas", "lost"]
)
def test_what_passes_is_tried_again_without_doubles(
    strict: Topics, errors: tuple[int, ...]
) -> None:
    outcome, raised = delivered(strict, changes(3, 4, 5), *errors)
    assert not outcome.failed
    assert raised == []
    assert [message.seq for message in strict.read()] == [1, 2, 3, 4, 5]


def test_a_refused_user_is_told_what_to_be_granted(strict: Topics) -> None:
    _, (raised,) = delivered(strict, changes(3, 4), mock.TOPIC_AUTHORIZATION_FAILED)
    assert "Topic authorization failed" in raised
    assert "kafka-acls" in raised
    assert [message.seq for message in strict.read()] == [1, 2, 3, 4]


@pytest.mark.parametrize("number", [1, 40])
def test_an_error_that_is_fatal_to_the_producer_is_followed_by_a_new_one(
    strict: Topics, number: int
) -> None:
    items = changes(*range(3, 3 + number))
    _, (raised,) = delivered(strict, items, mock.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert "desynchronization" in raised
    assert [message.seq for message in strict.read()] == [1, 2, *(item.seq for item in items)]


def test_a_message_that_the_broker_refuses_for_its_size_fails_for_ever(strict: Topics) -> None:
    items = [change(3), change(4, data=LARGE), change(5)]
    # The small one is taken, the large one refused.
    outcome, raised = delivered(strict, items, 0, mock.MSG_SIZE_TOO_LARGE)
    assert raised == []
    ((key, failure),) = outcome.failed.items()
    assert key == items[1].key
    assert failure.is_final
    assert f"max.message.bytes of topic {strict.name()}" in failure.error
    assert [message.seq for message in strict.read()] == [1, 2, 3, 5]


def test_a_large_message_that_fits_when_compressed_is_sent(strict: Topics) -> None:
    outcome, raised = delivered(strict, [change(3, data=LARGE), change(4)])
    assert not outcome.failed
    assert raised == []
    assert [message.seq for message in strict.read()] == [1, 2, 3, 4]


def test_small_messages_are_not_given_up_where_their_batch_is_refused(strict: Topics) -> None:
    outcome, (raised,) = delivered(strict, changes(3, 4, 5), mock.MSG_SIZE_TOO_LARGE)
    assert "set batch.size" in raised
    assert not outcome.failed
    assert [message.seq for message in strict.read()] == [1, 2, 3, 4, 5]
