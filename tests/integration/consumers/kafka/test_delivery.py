"""A kafka consumer from its creation to its topics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from integration.consumers.kafka.conftest import Topics
from integration.streams.conftest import Streams
from kafka_broker import KafkaBroker, running_broker
from stripe_sync import (
    ConsumerInfo,
    TargetConnection,
    create_consumer,
    dead_letters,
    deliver,
    get_consumer,
    redeliver_dead_letters,
    replay_consumer,
    resume_consumer,
)
from stripe_sync.records import canonical_json
from warehouse_rows import rows

PATIENCE = 60.0


@dataclass
class Delivery:
    """Delivers in a thread while a test writes and looks."""

    streams: Streams
    topics: Topics
    extra: dict[str, Any] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def create(self, stream: str, **settings: Any) -> None:
        settings = {"topic": self.topics.name("{collection}"), "partitions": 2, **settings}
        create_consumer(
            self.streams.url,
            "orders",
            "kafka",
            stream=stream,
            connection_id="kafka_default",
            settings=settings,
        )

    def start(self) -> None:
        def find(conn_id: str) -> TargetConnection:
            extra = {"bootstrap.servers": self.topics.broker.servers, **self.extra}
            return TargetConnection(conn_id, "kafka", extra=extra)

        self._stop.clear()
        self._thread = threading.Thread(
            target=lambda: deliver(self.streams.url, find, is_stopping=self._stop.is_set),
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive()

    @property
    def consumer(self) -> ConsumerInfo:
        return get_consumer(self.streams.url, "orders")

    def until(self, condition: Callable[[ConsumerInfo], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition(self.consumer):
            assert time.monotonic() < end, self.consumer
            time.sleep(0.02)


@pytest.fixture
def delivery(streams: Streams, topics: Topics) -> Iterator[Delivery]:
    made = Delivery(streams, topics)
    yield made
    made.stop()


def test_the_last_message_of_each_key_is_the_record(delivery: Delivery) -> None:
    delivery.create("records", tombstones=True)
    delivery.start()
    for step in range(30):
        delivery.streams.customers(step % 7, step % 5 + 7, step=step)
    delivery.streams.customers(3, deleted=True, when=100)
    delivery.until(lambda consumer: consumer.lag_items == 0)
    last = {message.key: message.value for message in delivery.topics.read()}
    stored = rows(
        delivery.streams.url,
        "SELECT id::text, CASE WHEN NOT deleted THEN seq END FROM stripe_raw.records",
    )
    seqs = {
        key: canonical_json.loads(value)["seq"] if value else None for key, value in last.items()
    }
    assert seqs == dict(stored)
    assert None in seqs.values()


def test_a_message_that_is_too_large_is_a_dead_letter_until_the_limit_is_raised(
    delivery: Delivery,
) -> None:
    delivery.create("events")
    delivery.extra["message.max.bytes"] = 50_000
    delivery.streams.customers(1)
    delivery.streams.customers(1, note="x" * 100_000)
    delivery.streams.customers(1, note="short")  # its change event has the long one, too
    delivery.streams.customers(1, note="shorter")
    delivery.start()
    delivery.until(lambda consumer: consumer.lag_items == 0 and consumer.dead == 2)
    assert [message.seq for message in delivery.topics.read()] == [1, 4]
    letter, other = dead_letters(delivery.streams.url, "orders")
    assert (letter.seq, other.seq) == (2, 3)
    assert letter.error is not None
    assert "message.max.bytes" in letter.error
    delivery.stop()
    delivery.extra.clear()
    delivery.start()
    redeliver_dead_letters(delivery.streams.url, "orders")
    delivery.until(lambda consumer: consumer.delivered == 4)
    assert [message.seq for message in delivery.topics.read()] == [1, 4, 2, 3]


def test_a_broker_that_is_away_is_waited_for(streams: Streams) -> None:
    with running_broker() as broker:
        delivery = Delivery(streams, Topics(broker))
        delivery.create("events")
        broker.kill()
        streams.customers(1, 2, 3)
        delivery.start()
        delivery.until(lambda consumer: "Connection refused" in (consumer.last_error or ""))
        broker.start()
        resume_consumer(streams.url, "orders")
        delivery.until(lambda consumer: consumer.status == "active" and consumer.delivered == 3)
        delivery.stop()
        assert sorted(message.seq for message in delivery.topics.read()) == [1, 2, 3]


def test_a_replay_fills_a_topic_that_was_made_anew(delivery: Delivery) -> None:
    assert isinstance(delivery.topics.broker, KafkaBroker)
    delivery.create("events")
    delivery.streams.customers(1, 2, 3)
    delivery.start()
    delivery.until(lambda consumer: consumer.delivered == 3)
    (deleted,) = delivery.topics.broker.admin.delete_topics([delivery.topics.name()]).values()
    deleted.result()
    replay_consumer(delivery.streams.url, "orders", "all")
    delivery.until(lambda consumer: consumer.delivered == 6)
    assert sorted(message.seq for message in delivery.topics.read()) == [1, 2, 3]
