"""The delivering process is killed at random points: nothing lost, in order, nothing sent again.

``STRIPE_SYNC_TEST_KILLS`` sets how often.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from forked import processes
from integration.consumers.kafka.conftest import Topics
from integration.consumers.kafka.delivering_process import deliver_to_kafka
from integration.streams.conftest import Streams
from kafka_broker import ReadMessage
from stripe_sync import create_consumer
from warehouse_rows import execute, rows

KILLS = int(os.environ.get("STRIPE_SYNC_TEST_KILLS", "4"))
PATIENCE = 60.0

CURSOR = "SELECT coalesce(max(seq), 0) FROM stripe_sync.consumer_cursors WHERE consumer = 'orders'"
LAST = "SELECT coalesce(max(seq), 0) FROM stripe_raw.events"
EPOCH = "SELECT epoch FROM stripe_sync.consumers"
# The owner is dead; it would be waited for, for 15 seconds.
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
            self.until(lambda: self.one(CURSOR) == self.one(LAST))
        self.write(self._rng.randint(1, 10))
        # Uniformly over the time that a batch takes, from the commit of its items to its own.
        time.sleep(self._rng.uniform(0, 0.03))
        if is_frozen := self._rng.random() < 0.5:
            self._topics.broker.freeze()
            self.write(1)
            time.sleep(self._rng.uniform(0, 0.1))
        process.kill()
        process.join(PATIENCE)
        if is_frozen:
            self._topics.broker.thaw()
        return self.ahead()

    def ahead(self) -> int:
        """Number of messages that the topic has beyond the stored cursor."""
        cursor = self.one(CURSOR)
        execute(self._streams.url, EXPIRE)
        return sum(message.seq > cursor for message in self._topics.read())

    def finish(self) -> None:
        process = self.start()
        self.until(lambda: self.one(CURSOR) == self.one(LAST))
        process.kill()
        process.join(PATIENCE)
        execute(self._streams.url, EXPIRE)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, rows(self._streams.url, "TABLE stripe_sync.consumers")
            time.sleep(0.01)


def test_a_killed_process_loses_nothing_and_what_the_topic_has_is_not_sent_again(
    streams: Streams, topics: Topics
) -> None:
    create_consumer(
        streams.url,
        "orders",
        "kafka",
        stream="events",
        connection_id="kafka_default",
        settings={"topic": topics.name("{collection}"), "partitions": 3},
    )
    rng = random.Random(16)
    delivery = Delivery(streams, topics, rng)
    delivery.write(3)
    delivery.finish()
    ahead = 0
    for _ in range(KILLS):
        process = delivery.start()
        ahead += delivery.interrupt(process)
    delivery.finish()
    read = topics.read()
    once = check_order(read)
    stored = rows(streams.url, "SELECT id::text FROM stripe_raw.events")
    assert once == {id_ for (id_,) in stored}
    doubles = len(read) - len(once)
    print(f"{KILLS} kills, {len(read)} messages, {ahead} beyond the cursor, {doubles} doubles")
    assert doubles == 0
    assert ahead or KILLS < 20  # else nothing was to be skipped


def check_order(read: list[ReadMessage]) -> set[str]:
    """Check the order of each key without repetitions; returns all ids."""
    seen: dict[str, dict[str, int]] = defaultdict(dict)
    for message in read:
        seen[message.key].setdefault(message.id, message.seq)
    for positions in seen.values():
        assert list(positions.values()) == sorted(positions.values())
    return {id_ for ids in seen.values() for id_ in ids}
