"""A warehouse with two syncs, and what reads a pull consumer of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import psycopg
import pytest

from integration.streams.conftest import Streams, make_streams
from stripe_sync import PullBatch, PullQueue, StreamReader, create_consumer
from stripe_sync.warehouse import Warehouse

Result = TypeVar("Result")

NAME = "reader"
LONG = 30.0


@pytest.fixture
def streams(warehouse_url: str) -> Iterator[Streams]:
    with Warehouse(warehouse_url) as warehouse:
        yield make_streams(warehouse_url, warehouse)


def pull_consumer(streams: Streams, *, stream: str = "events", **options: Any) -> None:
    """A pull consumer; its settings are among the options."""
    settings = {
        name: options.pop(name)
        for name in ("ack_wait_ms", "max_deliver", "max_ack_pending")
        if name in options
    }
    create_consumer(streams.url, NAME, "pull", stream=stream, settings=settings, **options)


def with_queue(url: str, use: Callable[[PullQueue], Awaitable[Result]]) -> Result:
    """Use a queue in an event loop of its own."""

    async def run() -> Result:
        async with StreamReader(url) as reader:
            return await use(PullQueue(reader))

    return asyncio.run(run())


def names(batch: PullBatch) -> list[str]:
    """Stripe's ids and numbers of what was delivered."""
    return [each.item.upstream_id for each in batch.items]


def tokens(batch: PullBatch) -> list[str]:
    return [each.ack_token for each in batch.items]


def cursors(streams: Streams) -> dict[str, int]:
    """How far the consumer has read, by sync."""
    with psycopg.connect(streams.url) as connection:
        return dict(
            connection.execute(
                "SELECT sync.name, consumer.seq FROM stripe_sync.consumer_cursors AS consumer"
                " JOIN stripe_sync.syncs AS sync ON sync.id = consumer.sync_id"
            ).fetchall()
        )


def items(streams: Streams) -> list[tuple[int, str, int]]:
    """Positions, states and deliveries of what the consumer does not have."""
    with psycopg.connect(streams.url) as connection:
        return connection.execute(
            "SELECT seq, state, deliveries FROM stripe_sync.consumer_items ORDER BY sync_id, seq"
        ).fetchall()


def make_due(streams: Streams) -> None:
    """The time for the acks of all that is in flight is over, and so is the wait of the others."""
    with psycopg.connect(streams.url) as connection:
        connection.execute(
            "UPDATE stripe_sync.consumer_items SET due_at = now() WHERE due_at IS NOT NULL"
        )
