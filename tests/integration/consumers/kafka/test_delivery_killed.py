"""The delivering process is killed at random points: nothing lost, in order, nothing sent again.

``STRIPE_SYNC_TEST_KILLS`` sets how often.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from forked import processes
from integration.consumers.kafka.conftest import Topics
from integration.consumers.kafka.delivering_process import deliver_to_kafka
from integration.streams.conftest import Streams
from kafka_broker import KafkaBroker
from stripe_sync import create_consumer
from warehouse_rows import execute, rows

KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "4"))
PATIENCE = 60.0

CURSOR = "SELECT coalesce(max(seq), 0) FROM stripe_sync.consumer_cursors WHERE consumer = 'orders'"
LAST = "SELECT coalesce(max(seq), 0) FROM stripe_raw.events"
EPOCH = "SELECT epoch FROM stripe_sync.consumers"
EXPIRE = "UPDATE stripe_sync.consumers SET lease_until = now() - interval '1 s'"


class Delivery:
    """A process that delivers, and what is written meanwhile."""

    def __init__(self, streams: Streams, topics: Topics, rng: random.Random) -> None:
        self._streams, self._topics, self._rng = streams, topics, rng
        self._step = 0

    def one(self, query: str) -> int:
        ((value,),) = rows(self._streams.url, query)
        return int(value)

    def write(self, transactions: int) -> None:
        for _ in range(transactions):
            self._step += 1
            numbers = self._rng.sample(range(300), self._rng.randint(1, 60))
            self._streams.customers(*numbers, step=self._step)

    def start(self) -> Any:
        epoch = self.one(EPOCH)
        process = processes.Process(
            target=deliver_to_kafka, args=(self._streams.url, self._topics.broker.servers)
        )
        process.start()
        self.until(lambda: self.one(EPOCH) > epoch)
        return process

    def interrupt(self, process: Any) -> int:
        """Kill it at a random point, while the broker is fast or while it stands still."""
        if self._rng.random() < 0.9:  # else while it finds out what the topics have
            self.until_delivered()
        self.write(self._rng.randint(1, 10))
        # Uniformly over the time that a batch takes, from the commit of its items to its own.
        time.sleep(self._rng.uniform(0, 0.03))
        broker = self._topics.broker
        assert isinstance(broker, KafkaBroker)
        if is_frozen := self._rng.random() < 0.5:
            broker.freeze()
            self.write(1)
            time.sleep(self._rng.uniform(0, 0.1))
        process.kill()
        process.join(PATIENCE)
        if is_frozen:
            broker.thaw()
        cursor = self.one(CURSOR)
        self.expire()
        return sum(message.seq > cursor for message in self._topics.read())

    def finish(self) -> None:
        process = self.start()
        self.until_delivered()
        process.kill()
        process.join(PATIENCE)
        self.expire()

    def check(self) -> tuple[int, int]:
        """Check that the topic has everything in order; numbers of messages and of repetitions."""
        read = self._topics.read()
        seen: dict[str, dict[str, int]] = defaultdict(dict)
        for message in read:
            seen[message.key].setdefault(message.id, message.seq)
        for positions in seen.values():
            assert list(positions.values()) == sorted(positions.values())
        once = {id_ for ids in seen.values() for id_ in ids}
        stored = rows(self._streams.url, "SELECT id::text FROM stripe_raw.events")
        assert once == {id_ for (id_,) in stored}
        return len(read), len(read) - len(once)

    def expire(self) -> None:
        """Nobody has the lease: its owner is dead, or stands still, and would be waited for."""
        execute(self._streams.url, EXPIRE)

    def stop(self, process: Any) -> None:
        """Let it stand still, at a point where it holds no lock of the warehouse."""
        while True:
            os.kill(process.pid, signal.SIGSTOP)
            try:
                with psycopg.connect(
                    self._streams.url, options="-c lock_timeout=200"
                ) as connection:
                    connection.execute(EXPIRE)
            except psycopg.errors.LockNotAvailable:
                os.kill(process.pid, signal.SIGCONT)
            else:
                return

    def until_delivered(self) -> None:
        self.until(lambda: self.one(CURSOR) == self.one(LAST))

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, rows(self._streams.url, "TABLE stripe_sync.consumers")
            time.sleep(0.01)


@pytest.fixture
def delivery(streams: Streams, topics: Topics) -> Delivery:
    """A consumer that has had a first batch."""
    create_consumer(
        streams.url,
        "orders",
        "kafka",
        stream="events",
        connection_id="kafka_default",
        settings={"topic": topics.name("{collection}"), "partitions": 3},
    )
    delivery = Delivery(streams, topics, random.Random(16))
    delivery.write(3)
    delivery.finish()
    return delivery


def test_a_killed_process_loses_nothing_and_what_the_topic_has_is_not_sent_again(
    delivery: Delivery,
) -> None:
    ahead = 0
    for _ in range(KILLS):
        process = delivery.start()
        ahead += delivery.interrupt(process)
    delivery.finish()
    messages, doubles = delivery.check()
    print(f"{KILLS} kills, {messages} messages, {ahead} beyond the cursor, {doubles} doubles")
    assert doubles == 0
    assert ahead or KILLS < 20  # else nothing was to be skipped


def test_a_process_that_stood_still_and_lost_its_lease_leaves_no_gap(delivery: Delivery) -> None:
    for _ in range(2):
        old = delivery.start()
        delivery.until_delivered()
        delivery.write(5)
        delivery.stop(old)
        new = delivery.start()
        delivery.until_delivered()
        os.kill(old.pid, signal.SIGCONT)
        delivery.write(5)
        delivery.until_delivered()
        for process in (old, new):
            process.kill()
            process.join(PATIENCE)
        delivery.expire()
    delivery.finish()
    delivery.check()
