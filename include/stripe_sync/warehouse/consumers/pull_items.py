"""Items of pull consumers: what is in flight, what waits, and how far the consumer has read.

All of it happens in a transaction that has locked the consumer. The lock is a statement of its own:
in one statement with a query, the query would see what was there before the lock was granted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.records.canonical_json import JsonObject

ObjectKey = tuple[UUID, str, str]
"""Sync, collection and Stripe's id of an object."""

IN_FLIGHT, RETRY, PARKED = "in_flight", "retry", "parked"

# A process that stops inside of a transaction lets the others go on after this time.
_LOCK = """
SELECT name, kind, stream, filters, settings, paused_at IS NOT NULL,
    set_config('idle_in_transaction_session_timeout', '30s', true)
FROM stripe_sync.consumers
WHERE name = %(consumer)s::text OR id::text = lower(%(consumer)s::text)
ORDER BY name <> %(consumer)s::text LIMIT 1 FOR NO KEY UPDATE
"""

_GIVE_UP = """
UPDATE stripe_sync.consumer_items SET state = 'dead', token = NULL, due_at = NULL,
    last_error = format('not acknowledged within %%s ms, after %%s deliveries',
        %(ack_wait_ms)s::bigint, deliveries)
WHERE consumer = %(consumer)s AND state = 'in_flight' AND due_at <= statement_timestamp()
    AND deliveries >= %(max_deliver)s
RETURNING sync_id, collection_id, upstream_id
"""
_COUNTS = """
SELECT count(*) FILTER (WHERE state = 'in_flight'), count(*) FILTER (WHERE state <> 'in_flight'),
    count(*) FILTER (WHERE state = 'parked'),
    count(*) FILTER (WHERE due_at <= statement_timestamp()),
    extract(epoch FROM min(due_at) FILTER (WHERE due_at > statement_timestamp())
        - statement_timestamp())::float8
FROM stripe_sync.consumer_items
WHERE consumer = %(consumer)s AND state = ANY('{in_flight,retry,parked}'::text[])
"""
# Of an object one item at most is in flight. Those that wait for another try come in their order.
_DUE = """
SELECT sync_id, seq, collection_id, upstream_id, state, deliveries
FROM stripe_sync.consumer_items AS item
WHERE consumer = %(consumer)s AND state = ANY('{in_flight,retry}'::text[])
    AND due_at <= statement_timestamp()
    AND (state = 'in_flight' OR NOT EXISTS (
        SELECT FROM stripe_sync.consumer_items AS other
        WHERE other.consumer = item.consumer AND other.sync_id = item.sync_id
            AND other.collection_id = item.collection_id AND other.upstream_id = item.upstream_id
            AND (other.state = 'in_flight' OR other.state = 'retry' AND other.seq < item.seq)
    ))
ORDER BY state, due_at, seq LIMIT %(limit)s
"""
_OBJECTS = "unnest(%(syncs)s::uuid[], %(collections)s::text[], %(upstream_ids)s::text[])"
_SAME_OBJECT = """item.consumer = %(consumer)s AND item.sync_id = object.sync_id
    AND item.collection_id = object.collection_id AND item.upstream_id = object.upstream_id"""
_BUSY = f"""
SELECT item.sync_id, item.collection_id, item.upstream_id, max(item.seq)
FROM stripe_sync.consumer_items AS item
JOIN {_OBJECTS} AS object(sync_id, collection_id, upstream_id) ON {_SAME_OBJECT}
WHERE item.state <> 'dead' GROUP BY item.sync_id, item.collection_id, item.upstream_id
"""
_FORGET = f"""
DELETE FROM stripe_sync.consumer_items AS item
USING {_OBJECTS} AS object(sync_id, collection_id, upstream_id)
WHERE {_SAME_OBJECT} AND item.state = ANY(%(states)s::text[])
RETURNING item.state
"""
_DROP = """
DELETE FROM stripe_sync.consumer_items
WHERE sync_id = %(sync)s AND consumer = %(consumer)s AND seq = %(seq)s
"""


def _release(objects: str) -> str:
    """The statement after which the first item that is parked behind others is due."""
    return f"""
UPDATE stripe_sync.consumer_items AS item SET state = 'retry', due_at = statement_timestamp()
FROM (
    SELECT item.sync_id, min(item.seq) AS seq FROM stripe_sync.consumer_items AS item
    JOIN {objects} ON {_SAME_OBJECT}
    WHERE item.state = 'parked'
    GROUP BY item.sync_id, item.collection_id, item.upstream_id
) AS first
WHERE item.sync_id = first.sync_id AND item.consumer = %(consumer)s AND item.seq = first.seq
"""


_RELEASE = _release(f"{_OBJECTS} AS object(sync_id, collection_id, upstream_id)")
# An item may be there already: the one that is delivered once more, a dead letter of before a
# replay, or a record that was delivered before the cursor came to it.
_PUT = """
INSERT INTO stripe_sync.consumer_items AS item
    (sync_id, consumer, seq, collection_id, upstream_id, state, deliveries, token, due_at)
SELECT sync_id, %(consumer)s, seq, collection_id, upstream_id, state, deliveries, token,
    CASE WHEN state = 'in_flight'
        THEN statement_timestamp() + %(ack_wait_ms)s * interval '1 millisecond' END
FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[], %(collections)s::text[],
    %(upstream_ids)s::text[], %(states)s::text[], %(deliveries)s::bigint[], %(tokens)s::text[])
    AS given(sync_id, seq, collection_id, upstream_id, state, deliveries, token)
ON CONFLICT (sync_id, consumer, seq) DO UPDATE SET state = excluded.state,
    deliveries = excluded.deliveries, token = excluded.token, due_at = excluded.due_at
WHERE excluded.state = 'in_flight' OR item.state = 'dead'
"""
_CURSOR = """
SELECT sync_id, seq FROM stripe_sync.consumer_cursors WHERE consumer = %(consumer)s
ORDER BY updated_at, sync_id
"""
_MOVE = """
INSERT INTO stripe_sync.consumer_cursors AS moved (sync_id, consumer, seq, updated_at)
SELECT sync_id, %(consumer)s, seq, statement_timestamp()
FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[]) AS given(sync_id, seq)
ON CONFLICT (sync_id, consumer) DO UPDATE SET seq = excluded.seq, updated_at = excluded.updated_at
"""
_GIVEN = """
unnest(%(syncs)s::uuid[], %(seqs)s::bigint[], %(tokens)s::text[]) AS given(sync_id, seq, token)
WHERE item.sync_id = given.sync_id AND item.consumer = %(consumer)s AND item.seq = given.seq
    AND item.state = 'in_flight' AND item.token = given.token
"""
# One statement, as each is a way to the server and back.
_ACK = f"""
WITH acked AS (
    DELETE FROM stripe_sync.consumer_items AS item USING {_GIVEN}
    RETURNING given.token, item.sync_id, item.collection_id, item.upstream_id
), released AS ({_release("acked AS object")}), counted AS (
    UPDATE stripe_sync.consumers
    SET delivered = delivered + acked.number, delivered_at = statement_timestamp()
    FROM (SELECT count(*) AS number FROM acked) AS acked
    WHERE name = %(consumer)s AND acked.number > 0
)
SELECT token FROM acked
"""
_NACK = f"""
UPDATE stripe_sync.consumer_items AS item SET token = NULL,
    state = CASE WHEN {{is_dead}} THEN 'dead' ELSE 'retry' END,
    due_at = CASE WHEN {{is_dead}} THEN NULL ELSE statement_timestamp()
        + least(power(2, least(item.deliveries, 20) - 1), 3600) * interval '1 second' END,
    last_error = format('refused by its reader, delivery %%s', item.deliveries)
FROM {_GIVEN}
RETURNING given.token, item.sync_id, item.collection_id, item.upstream_id, item.state
""".format(is_dead="%(max_deliver)s >= 0 AND item.deliveries >= %(max_deliver)s")
_GIVE_BACK = f"""
UPDATE stripe_sync.consumer_items AS item SET token = NULL, state = 'retry',
    due_at = statement_timestamp(), deliveries = item.deliveries - 1
FROM {_GIVEN}
RETURNING given.token
"""
_BEHIND = """
SELECT coalesce(sum(greatest(position.last_seq - given.seq, 0)), 0)::bigint
FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[]) AS given(sync_id, seq)
JOIN stripe_sync.stream_position AS position USING (sync_id)
"""
_PENDING = """
SELECT count(*) FROM unnest(%(syncs)s::uuid[], %(seqs)s::bigint[]) AS given(sync_id, seq)
JOIN stripe_raw.{stream} AS item ON item.sync_id = given.sync_id AND item.seq > given.seq
WHERE (%(collections)s::text[] = '{{}}' OR item.collection_id = ANY(%(collections)s::text[]))
"""
_OF_TYPES = "AND (%(event_types)s::text[] = '{}' OR item.event_type = ANY(%(event_types)s::text[]))"


@dataclass(frozen=True, slots=True)
class LockedConsumer:
    """A consumer whose row this transaction has locked."""

    name: str
    kind: str
    stream: str
    filters: JsonObject
    settings: JsonObject
    is_paused: bool


@dataclass(frozen=True, slots=True)
class PullCounts:
    """Items of a consumer that its cursor has passed.

    Attributes:
        in_flight: Delivered, and not acknowledged.
        held: Not delivered: they wait for another try, or behind an item of their object.
        parked: Those of ``held`` that wait behind an item of their object.
        due: Those that may be delivered now.
        next_due: Seconds until the next one may be; None where there is none.
    """

    in_flight: int
    held: int
    parked: int
    due: int
    next_due: float | None


@dataclass(frozen=True, slots=True)
class PullRow:
    """An item as the warehouse stores it.

    Attributes:
        sync_id: Its sync.
        seq: Its stream position.
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
        state: ``in_flight``, ``retry`` or ``parked``.
        deliveries: How often it was delivered.
        token: Token of this delivery; None where it is none.
    """

    sync_id: UUID
    seq: int
    collection_id: str
    upstream_id: str
    state: str
    deliveries: int = 0
    token: str | None = None

    @property
    def object_key(self) -> ObjectKey:
        """The object that it is about."""
        return self.sync_id, self.collection_id, self.upstream_id


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token that a caller has sent, and the item that it names."""

    sync_id: UUID
    seq: int
    text: str


async def lock_consumer(
    connection: psycopg.AsyncConnection[Any], consumer: str
) -> LockedConsumer | None:
    """Lock a consumer for this transaction; None where there is none.

    Args:
        connection: In a transaction.
        consumer: Its name or id.
    """
    rows = await _fetch(connection, _LOCK, {"consumer": consumer})
    return LockedConsumer(*rows[0][:-1]) if rows else None


class PullItems:
    """The items of a locked consumer.

    Args:
        connection: In the transaction that has locked it.
        consumer: Its name.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any], consumer: str) -> None:
        self._connection = connection
        self._consumer = consumer

    async def give_up(self, *, max_deliver: int, ack_wait_ms: int) -> None:
        """Make dead letters of what was delivered this often, and was not acknowledged in time."""
        values = {"max_deliver": max_deliver, "ack_wait_ms": ack_wait_ms}
        rows = await self._rows(_GIVE_UP, **values)
        await self._release([(row[0], row[1], row[2]) for row in rows])

    async def counts(self) -> PullCounts:
        """Numbers of its items."""
        [row] = await self._rows(_COUNTS)
        return PullCounts(*row)

    async def due(self, limit: int) -> list[PullRow]:
        """Items to be delivered now; those that were not acknowledged in time come first."""
        return [PullRow(*row) for row in await self._rows(_DUE, limit=limit)]

    async def busy(self, objects: Collection[ObjectKey]) -> dict[ObjectKey, int]:
        """Those objects that have items which the consumer does not have yet, and the last seq."""
        rows = await self._rows(_BUSY, **_of_objects(objects))
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def forget(self, objects: Collection[ObjectKey], states: Sequence[str]) -> int:
        """Forget items of objects that are in some states; returns how many of them were parked."""
        rows = await self._rows(_FORGET, **_of_objects(objects), states=list(states))
        return sum(row[0] == PARKED for row in rows)

    async def drop(self, row: PullRow) -> None:
        """Forget one item."""
        await self._run(_DROP, sync=row.sync_id, seq=row.seq)
        await self._release([row.object_key])

    async def put(self, rows: Sequence[PullRow], *, ack_wait_ms: int) -> None:
        """Store items."""
        if rows:
            columns = {
                "syncs": [row.sync_id for row in rows],
                "seqs": [row.seq for row in rows],
                "collections": [row.collection_id for row in rows],
                "upstream_ids": [row.upstream_id for row in rows],
                "states": [row.state for row in rows],
                "deliveries": [row.deliveries for row in rows],
                "tokens": [row.token for row in rows],
            }
            await self._run(_PUT, **columns, ack_wait_ms=ack_wait_ms)

    async def positions(self) -> dict[UUID, int]:
        """How far it has read each sync; the one that was read least recently comes first."""
        return {row[0]: row[1] for row in await self._rows(_CURSOR)}

    async def move(self, positions: Mapping[UUID, int]) -> None:
        """Move its cursor."""
        if positions:
            await self._run(_MOVE, syncs=list(positions), seqs=list(positions.values()))

    async def behind(
        self,
        stream: str,
        positions: Mapping[UUID, int],
        *,
        collections: Collection[str],
        event_types: Collection[str],
        exact: int,
    ) -> int:
        """Number of items after a cursor.

        Args:
            stream: ``records`` or ``events``.
            positions: The cursor.
            collections: Of which collections; empty for all.
            event_types: Which kinds of changes; empty for all.
            exact: Where there are more positions than this, their number is returned: items that
                are left out count as well.
        """
        given = {"syncs": list(positions), "seqs": list(positions.values())}
        [(number,)] = await self._rows(_BEHIND, **given)
        if not 0 < number <= exact:
            return int(number)
        query = _PENDING.format(stream=stream) + (_OF_TYPES if stream == "events" else "")
        values = {"collections": sorted(collections), "event_types": sorted(event_types)}
        [(number,)] = await self._rows(query, **given, **values)
        return int(number)

    async def ack(self, tokens: Collection[GivenToken]) -> set[str]:
        """Count items as delivered; returns the tokens of deliveries that are in flight."""
        return {row[0] for row in await self._rows(_ACK, **_of_tokens(tokens))}

    async def nack(self, tokens: Collection[GivenToken], *, max_deliver: int) -> set[str]:
        """Deliver items again after a while; returns the tokens of deliveries in flight."""
        rows = await self._rows(_NACK, **_of_tokens(tokens), max_deliver=max_deliver)
        await self._release([(row[1], row[2], row[3]) for row in rows if row[4] == "dead"])
        return {row[0] for row in rows}

    async def give_back(self, tokens: Collection[GivenToken]) -> set[str]:
        """Undo deliveries that nobody has received; returns their tokens."""
        rows = await self._rows(_GIVE_BACK, **_of_tokens(tokens))
        return {row[0] for row in rows}

    async def _release(self, objects: Collection[ObjectKey]) -> None:
        """The first item that is parked behind one that is gone is due now."""
        if objects:
            await self._run(_RELEASE, **_of_objects(objects))

    async def _rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        return await _fetch(self._connection, query, {"consumer": self._consumer, **values})

    async def _run(self, query: str, **values: Any) -> None:
        await self._connection.execute(query, {"consumer": self._consumer, **values})


def _of_objects(objects: Collection[ObjectKey]) -> dict[str, list[Any]]:
    return {
        "syncs": [key[0] for key in objects],
        "collections": [key[1] for key in objects],
        "upstream_ids": [key[2] for key in objects],
    }


def _of_tokens(tokens: Collection[GivenToken]) -> dict[str, list[Any]]:
    return {
        "syncs": [token.sync_id for token in tokens],
        "seqs": [token.seq for token in tokens],
        "tokens": [token.text for token in tokens],
    }


async def _fetch(
    connection: psycopg.AsyncConnection[Any], query: str, values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()
