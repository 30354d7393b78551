"""A broker for all tests of a process, topics of its own for each, and items to deliver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from kafka_broker import KafkaBroker, ReadMessage, running_broker
from kafka_mock import MockCluster
from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    Outcome,
    SinkContext,
    TargetConnection,
)
from stripe_sync.consumers.sinks.kafka import KafkaSettings, KafkaSink
from stripe_sync.consumers.sinks.kafka.settings import ClientSettings
from stripe_sync.records import canonical_json, ids
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.selection import Selection

SYNC = UUID(int=7)
NOON = "2026-11-01T12:00:00.000000Z"
_prefixes = (f"t{number}" for number in count())


def record(
    seq: int, name: str = "cus_1", *, collection: str = "customer", **fields: Any
) -> StreamItem:
    """A record at a position."""
    state = {"inserted_at": NOON, "payload_hash": "0a", "updated_idx": seq}
    return _item(seq, name, collection, {"deleted": False, **state, **fields})


def change(
    seq: int, name: str = "cus_1", *, collection: str = "customer", **fields: Any
) -> StreamItem:
    """A change event at a position."""
    fields = {"event_type": "updated", **fields}
    return _item(seq, name, collection, {"id": str(UUID(int=seq)), **fields})


def _item(seq: int, name: str, collection: str, fields: dict[str, Any]) -> StreamItem:
    collection_id = f"stripe:{collection}"
    body = {
        "id": str(ids.record_id(SYNC, collection_id, name)),
        "collection_id": collection_id,
        "seq": seq,
        "sync_id": str(SYNC),
        "upstream_id": name,
        **fields,
    }
    return StreamItem(SYNC, seq, canonical_json.dumps(body), collection_id, name)


def batch_of(items: Sequence[StreamItem]) -> DeliveryBatch:
    """Consecutive items, from the one before the first to the last."""
    start = StreamCursor({SYNC: items[0].seq - 1})
    return DeliveryBatch(items, start, StreamCursor({SYNC: items[-1].seq}))


def connection(servers: str, **extra: Any) -> TargetConnection:
    return TargetConnection("kafka_default", "kafka", extra={"bootstrap.servers": servers, **extra})


@dataclass
class Topics:
    """Topics of one test, and sinks that deliver to them."""

    broker: KafkaBroker | MockCluster
    prefix: str = field(default_factory=lambda: next(_prefixes))

    def name(self, collection: str = "customer") -> str:
        return f"{self.prefix}.{collection}"

    def read(self, collection: str = "customer") -> list[ReadMessage]:
        return self.broker.read_topic(self.name(collection))

    def sink(
        self,
        stream: str = "records",
        *,
        patience: float = 20.0,
        extra: dict[str, Any] | None = None,
        **settings: Any,
    ) -> KafkaSink:
        values = {"topic": f"{self.prefix}.{{collection}}", "partitions": 2, **settings}
        target = connection(self.broker.servers, **(extra or {}))
        context = SinkContext("orders", Selection.of(stream), target, epoch=1)
        kafka = KafkaSettings(**{key: value for key, value in values.items() if value is not None})
        return KafkaSink(kafka, ClientSettings(target), context, patience=patience)

    def deliver(
        self, items: Sequence[StreamItem], checkpoint: Checkpoint | None = None, **sink: Any
    ) -> tuple[Outcome, Checkpoint]:
        """Deliver one batch with a new sink; returns the outcome and the next checkpoint."""

        async def run() -> tuple[Outcome, Checkpoint]:
            each = self.sink(**sink)
            batch = batch_of(items)
            try:
                await each.open(checkpoint or Checkpoint(batch.start))
                outcome = await each.deliver(batch)
                return outcome, Checkpoint(batch.end, each.position())
            finally:
                await each.close()

        return asyncio.run(run())


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    with running_broker() as running:
        yield running


@pytest.fixture
def topics(broker: KafkaBroker) -> Topics:
    return Topics(broker)
