"""The state of deliveries, for the process that delivers: leases, cursors, pending items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from stripe_sync.errors import WarehouseError
from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.warehouse.async_pool import async_pool
from stripe_sync.warehouse.connect import explain, parse_url

LEASE_SECONDS = 15.0

_LIST = """
SELECT name FROM stripe_sync.consumers
WHERE kind <> 'pull' AND paused_at IS NULL AND abs(hashtext(name)::bigint) %% %(shards)s = %(shard)s
    AND (lease_until IS NULL OR lease_until < clock_timestamp() OR lease_owner = %(owner)s)
ORDER BY name
"""

_TAKE = """
UPDATE stripe_sync.consumers SET lease_owner = %(owner)s,
    epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = %(name)s AND paused_at IS NULL
    AND (lease_until IS NULL OR lease_until < clock_timestamp() OR lease_owner = %(owner)s)
RETURNING name, kind, stream, filters::text, settings::text, connection_id, position::text, epoch,
    failures, extract(epoch FROM clock_timestamp() - failing_since)::float8
"""

_RENEW = """
UPDATE stripe_sync.consumers
SET lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = %(name)s AND lease_owner = %(owner)s AND epoch = %(epoch)s
RETURNING paused_at IS NOT NULL, extract(epoch FROM retry_at - clock_timestamp())::float8
"""

# The end of the lease stays: consumer_status warns where it was long ago.
_RELEASE = """
UPDATE stripe_sync.consumers SET lease_owner = NULL, lease_until = clock_timestamp()
WHERE name = %(name)s AND lease_owner = %(owner)s
"""

_SUCCEED = """
UPDATE stripe_sync.consumers
SET delivered = delivered + %(delivered)s, position = %(position)s::jsonb,
    delivered_at = CASE WHEN %(delivered)s > 0 THEN clock_timestamp() ELSE delivered_at END,
    last_error = CASE WHEN %(recovers)s THEN %(error)s ELSE coalesce(%(error)s, last_error) END,
    failures = CASE WHEN %(recovers)s THEN 0 ELSE failures END,
    failing_since = CASE WHEN %(error)s::text IS NOT NULL
        OR NOT %(recovers)s AND last_error IS NOT NULL
        THEN coalesce(failing_since, clock_timestamp()) END,
    retry_at = NULL,
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = %(name)s AND lease_owner = %(owner)s AND epoch = %(epoch)s
"""

# Before its first failure the target took items, even while single objects have failed for long.
_FAIL = """
UPDATE stripe_sync.consumers
SET failures = failures + 1, last_error = %(error)s,
    failing_since = CASE WHEN failures > 0
        THEN coalesce(failing_since, clock_timestamp()) ELSE clock_timestamp() END,
    retry_at = clock_timestamp() + make_interval(secs => %(wait)s),
    paused_at = CASE WHEN %(pauses)s THEN clock_timestamp() ELSE paused_at END,
    pause_reason = CASE WHEN %(pauses)s THEN %(error)s ELSE pause_reason END,
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = %(name)s AND lease_owner = %(owner)s AND epoch = %(epoch)s
"""

_CURSORS = """
SELECT sync_id, seq FROM stripe_sync.consumer_cursors WHERE consumer = %s ORDER BY sync_id
"""

_LOST = """
SELECT FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[]) AS p (sync_id, seq)
JOIN stripe_sync.syncs AS s ON s.id = p.sync_id
LEFT JOIN stripe_sync.consumer_cursors AS k ON k.sync_id = s.id AND k.consumer = %(name)s
WHERE coalesce(k.seq, 0) <> p.seq
"""

_MOVE = """
INSERT INTO stripe_sync.consumer_cursors (consumer, sync_id, seq)
SELECT %(name)s, s.id, p.seq FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[]) AS p (sync_id, seq)
JOIN stripe_sync.syncs AS s ON s.id = p.sync_id
ON CONFLICT (sync_id, consumer) DO UPDATE SET seq = excluded.seq, updated_at = clock_timestamp()
"""

_ITEMS = """
SELECT sync_id, seq, collection_id, upstream_id, state, deliveries, last_error,
    extract(epoch FROM clock_timestamp() - created_at)::float8,
    extract(epoch FROM due_at - clock_timestamp())::float8
FROM stripe_sync.consumer_items WHERE consumer = %s AND state <> 'dead'
"""

_PUT = """
INSERT INTO stripe_sync.consumer_items
    (consumer, sync_id, seq, collection_id, upstream_id, state, deliveries, last_error, due_at,
    created_at)
SELECT %(name)s, s.id, i.seq, i.collection_id, i.upstream_id, i.state, i.deliveries, i.error,
    clock_timestamp() + make_interval(secs => i.wait),
    clock_timestamp() - make_interval(secs => i.age)
FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[], %(collections)s::text[], %(upstreams)s::text[],
    %(states)s::text[], %(deliveries)s::bigint[], %(errors)s::text[], %(waits)s::float8[],
    %(ages)s::float8[])
    AS i (sync_id, seq, collection_id, upstream_id, state, deliveries, error, wait, age)
JOIN stripe_sync.syncs AS s ON s.id = i.sync_id
ON CONFLICT (sync_id, consumer, seq) DO UPDATE SET state = excluded.state,
    deliveries = excluded.deliveries, last_error = excluded.last_error, due_at = excluded.due_at
"""

_OF_ITEMS = ("collections", "upstreams", "states", "deliveries", "errors", "waits", "ages")

_REMOVE = """
DELETE FROM stripe_sync.consumer_items AS i
USING unnest(%(syncs)s::uuid[], %(seqs)s::bigint[]) AS p (sync_id, seq)
WHERE i.consumer = %(name)s AND i.sync_id = p.sync_id AND i.seq = p.seq
"""


class LeaseLost(WarehouseError):
    """Another process delivers to the consumer now, it was changed, or its cursor is elsewhere."""


@dataclass(frozen=True, slots=True)
class TakenConsumer:
    """A consumer that this process delivers to.

    Attributes:
        name: Its name.
        kind: Its kind.
        stream: ``records`` or ``events``.
        filters: What it reads.
        settings: Settings of its kind.
        connection_id: Connection of its target.
        position: What its sink stored.
        epoch: Number of this lease.
        failures: Failures since the last success.
        failing_seconds: Seconds since the first of them.
        positions: Its cursors by sync.
        items: Rows of its pending items: sync, seq, collection, object, state, deliveries, error,
            seconds since the first try, seconds until the next.
    """

    name: str
    kind: str
    stream: str
    filters: JsonObject
    settings: JsonObject
    connection_id: str | None
    position: JsonObject | None
    epoch: int
    failures: int
    failing_seconds: float | None
    positions: Mapping[UUID, int]
    items: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class DeliveredBatch:
    """What one transaction stores.

    Attributes:
        positions: Cursors that moved, by sync.
        before: Where they were. After a failover that lost commits, or where a sync was made anew,
            the warehouse has them elsewhere: it must be read from there.
        position: What the sink stores.
        delivered: Number of items that were delivered.
        error: Why some items wait for another try; None: none does.
        recovers: Whether this shows that the target takes items again.
        stored: Pending items: sync, seq, collection, object, state, deliveries, error, seconds
            until the next try, seconds since the first.
        removed: Sync and seq of those that are no longer pending.
    """

    positions: Mapping[UUID, int]
    before: Mapping[UUID, int]
    position: JsonObject | None
    delivered: int
    error: str | None
    recovers: bool
    stored: Sequence[tuple[Any, ...]]
    removed: Sequence[tuple[UUID, int]]


class DeliveryState:
    """Reads and writes the state of deliveries, in one event loop.

    Args:
        warehouse_url: ``postgresql://…``.
        owner: Name of this process, as no other has it.
    """

    def __init__(self, warehouse_url: str, owner: str) -> None:
        self._address = parse_url(warehouse_url)
        self._owner = owner
        self._pool = async_pool(warehouse_url, "stripe_delivery")

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._pool.close()

    async def free(self, shard: int, shards: int) -> list[str]:
        """Names of the consumers of a shard that nobody else delivers to.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        values = {"shard": shard, "shards": shards, "owner": self._owner}
        async with self._connection() as connection:
            cursor = await connection.execute(_LIST, values)
            return [row[0] for row in await cursor.fetchall()]

    async def take(self, name: str) -> TakenConsumer | None:
        """Become the one that delivers to a consumer; None where that is somebody else.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        async with self._connection() as connection:
            cursor = await connection.execute(_TAKE, self._values(name))
            row = await cursor.fetchone()
            if row is None:
                return None
            cursor = await connection.execute(_CURSORS, (name,))
            positions = dict(await cursor.fetchall())
            cursor = await connection.execute(_ITEMS, (name,))
            items = await cursor.fetchall()
        _, kind, stream, filters, settings, connection_id, position, epoch, failures, failing = row
        return TakenConsumer(
            name=name,
            kind=kind,
            stream=stream,
            filters=canonical_json.loads(filters),
            settings=canonical_json.loads(settings),
            connection_id=connection_id,
            position=None if position is None else canonical_json.loads(position),
            epoch=epoch,
            failures=failures,
            failing_seconds=failing,
            positions=positions,
            items=items,
        )

    async def renew(self, name: str, epoch: int) -> tuple[bool, float]:
        """Keep a lease.

        Returns:
            Whether the consumer is paused, and the seconds until it may be tried again.

        Raises:
            LeaseLost: It is no longer this process's.
            WarehouseError: The warehouse cannot be reached.
        """
        async with self._connection() as connection:
            cursor = await connection.execute(_RENEW, self._values(name, epoch))
            row = await cursor.fetchone()
        if row is None:
            raise LeaseLost(name)
        return row[0], row[1] or 0.0

    async def release(self, name: str) -> None:
        """Let others deliver to a consumer at once.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        async with self._connection() as connection:
            await connection.execute(_RELEASE, self._values(name))

    async def succeed(self, name: str, epoch: int, batch: DeliveredBatch) -> None:
        """Store that a batch was delivered.

        Raises:
            LeaseLost: The consumer is no longer this process's; nothing is stored.
            WarehouseError: The warehouse cannot be reached.
        """
        values = self._values(name, epoch) | {
            "delivered": batch.delivered,
            "position": None if batch.position is None else Jsonb(batch.position),
            "error": batch.error,
            "recovers": batch.recovers,
        }
        async with self._connection() as connection:
            cursor = await connection.execute(_SUCCEED, values)
            if cursor.rowcount != 1:
                raise LeaseLost(name)
            if batch.positions:
                lost = await connection.execute(_LOST, _keys(name, batch.before.items()))
                if lost.rowcount:
                    raise LeaseLost(name)
                await connection.execute(_MOVE, _keys(name, batch.positions.items()))
            if batch.removed:
                await connection.execute(_REMOVE, _keys(name, batch.removed))
            if batch.stored:
                columns = zip(*(row[2:] for row in batch.stored), strict=True)
                rest = {key: list(each) for key, each in zip(_OF_ITEMS, columns, strict=True)}
                keys = _keys(name, ((row[0], row[1]) for row in batch.stored))
                await connection.execute(_PUT, keys | rest)

    async def fail(self, name: str, epoch: int, error: str, *, wait: float, pauses: bool) -> None:
        """Store that the target took nothing.

        Args:
            name: The consumer.
            epoch: Number of the lease.
            error: Why.
            wait: Seconds until the next try.
            pauses: Whether the consumer is paused.

        Raises:
            LeaseLost: The consumer is no longer this process's.
            WarehouseError: The warehouse cannot be reached.
        """
        values = self._values(name, epoch) | {"error": error, "wait": wait, "pauses": pauses}
        async with self._connection() as connection:
            cursor = await connection.execute(_FAIL, values)
            if cursor.rowcount != 1:
                raise LeaseLost(name)

    def _values(self, name: str, epoch: int = 0) -> dict[str, Any]:
        return {"name": name, "owner": self._owner, "epoch": epoch, "seconds": LEASE_SECONDS}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection in a transaction that commits at the end."""
        with explain(self._address):
            async with self._pool.connection() as connection:
                yield connection


def _keys(name: str, keys: Any) -> dict[str, Any]:
    syncs, seqs = zip(*keys, strict=True)
    return {"name": name, "syncs": list(syncs), "seqs": list(seqs)}
