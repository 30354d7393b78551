"""A target database, items for it, and sinks that deliver there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.consumers.sink import Checkpoint, DeliveryBatch, Outcome, SinkContext
from stripe_sync.consumers.sink import TargetConnection as Connection
from stripe_sync.consumers.sinks.postgres import PostgresSink
from stripe_sync.libpq import connection_parameters
from stripe_sync.records import canonical_json, ids
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.selection import Selection

SYNC = ids.sync_id("main")
RESOURCE = ids.resource_id("acct_1", livemode=False)
CUSTOMER = "stripe:customer"
BEGINNING = Checkpoint(StreamCursor())
NOON = "2026-03-01T12:00:00.123456Z"


def cursor(seq: int) -> StreamCursor:
    return StreamCursor({SYNC: seq})


def record(number: int, *, seq: int | None = None, idx: int = 1, **values: Any) -> StreamItem:
    """A record in the shape of the stream; ``payload`` may be JSON text."""
    upstream_id = f"cus_{number}"
    payload = values.pop("payload", {"id": upstream_id, "n": number})
    text = payload if isinstance(payload, str) else canonical_json.canonical(payload).decode()
    seq = number if seq is None else seq
    return _item(
        seq,
        upstream_id,
        {
            "collection_id": CUSTOMER,
            "deleted": False,
            "id": str(ids.record_id(SYNC, CUSTOMER, upstream_id)),
            "inserted_at": NOON,
            "payload": canonical_json.part(text),
            "payload_hash": "aGFzaA==",
            "resource_id": str(RESOURCE),
            "seq": seq,
            "sync_id": str(SYNC),
            "updated_at": NOON,
            "updated_idx": idx,
            "upsert_opts": None,
            "upstream_id": upstream_id,
            "upstream_updated_at": NOON,
        }
        | values,
    )


def event(seq: int, number: int | None = None, **values: Any) -> StreamItem:
    """A change event in the shape of the stream."""
    upstream_id = f"cus_{number or seq}"
    return _item(
        seq,
        upstream_id,
        {
            "changes": None,
            "collection_id": CUSTOMER,
            "created_at": NOON,
            "data": {"id": upstream_id, "n": seq},
            "event_type": "created",
            "id": str(ids.observed_change_id(SYNC, CUSTOMER, upstream_id, seq)),
            "resource_id": str(RESOURCE),
            "seq": seq,
            "sync_id": str(SYNC),
            "upstream_id": upstream_id,
            "upstream_updated_at": NOON,
        }
        | values,
    )


def _item(seq: int, upstream_id: str, values: dict[str, Any]) -> StreamItem:
    return StreamItem(SYNC, seq, canonical_json.dumps(values), CUSTOMER, upstream_id)


def batch(*items: StreamItem, start: int = 0, end: int | None = None) -> DeliveryBatch:
    """Items of a stream; it ends after the last one."""
    last = max((item.seq for item in items), default=start)
    return DeliveryBatch(items, cursor(start), cursor(last if end is None else end))


@dataclass
class Delivered:
    """What sinks did."""

    opened: Checkpoint
    outcomes: list[Outcome] = field(default_factory=list)
    checkpoint: Checkpoint = BEGINNING


@dataclass(frozen=True)
class TargetDatabase:
    """A database that sinks deliver to."""

    url: str

    def connection(self, **extra: Any) -> Connection:
        parameters = connection_parameters(self.url)
        return Connection(
            "target",
            "postgres",
            host=parameters.get("host"),
            port=int(parameters.get("port", 5432)),
            login=parameters.get("user"),
            password=parameters.get("password"),
            schema=parameters["dbname"],
            extra=extra,
        )

    def sink(
        self,
        stream: str = "records",
        *,
        epoch: int = 1,
        connection: Connection | None = None,
        **settings: Any,
    ) -> PostgresSink:
        context = SinkContext("copy", Selection.of(stream), connection or self.connection(), epoch)
        return PostgresSink.of(PostgresSink.Settings.model_validate(settings), context)

    def deliver(
        self,
        *batches: DeliveryBatch,
        checkpoint: Checkpoint = BEGINNING,
        sink: PostgresSink | None = None,
        **settings: Any,
    ) -> Delivered:
        """Open a sink, deliver batches, close it."""
        return asyncio.run(deliver(sink or self.sink(**settings), batches, checkpoint))

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(query, values or None)
            return found.fetchall() if found.description else []

    def names(self, table: str = "stripe.records") -> list[str]:
        rows = self.sql(f"SELECT upstream_id FROM {table} ORDER BY seq")
        return [name for (name,) in rows]

    def positions(self) -> dict[UUID, int]:
        ((positions,),) = self.sql("SELECT positions FROM stripe.stripe_sync_cursors")
        return {UUID(sync): seq for sync, seq in positions.items()}


async def deliver(
    sink: PostgresSink, batches: Sequence[DeliveryBatch], checkpoint: Checkpoint = BEGINNING
) -> Delivered:
    """Open a sink, deliver batches, close it."""
    try:
        done = Delivered(await sink.open(checkpoint))
        done.checkpoint = done.opened
        for each in batches:
            done.outcomes.append(await sink.deliver(each))
            done.checkpoint = Checkpoint(each.end, sink.position())
    finally:
        await sink.close()
    return done
