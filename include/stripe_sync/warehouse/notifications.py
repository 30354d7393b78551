"""Notifications (LISTEN and NOTIFY) of what is committed to the streams.

The statement that adds change events to a stream notifies the channel with its commit. A watcher
stores how far it has reported, so that it goes on there after its connection or process was lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.libpq import BACKEND_PID, connect_arguments, keep_session
from stripe_sync.records import canonical_json
from stripe_sync.warehouse.connect import explain, parse_url

CHANNEL = "stripe_sync"
"""The payload of a notification is the id of the sync."""

NOTIFY = f"pg_notify('{CHANNEL}', %(sync_id)s::text)"
"""Part of the statement that adds change events; sent with its commit."""

_POSITIONS = """
SELECT s.name, p.sync_id, p.last_seq FROM stripe_sync.stream_position AS p
JOIN stripe_sync.syncs AS s ON s.id = p.sync_id
"""
_CHANGES = """
SELECT collection_id, count(*) FROM stripe_raw.events
WHERE sync_id = %s AND seq > %s AND seq <= %s GROUP BY collection_id ORDER BY collection_id
"""
_LOAD = "SELECT positions FROM stripe_sync.stream_watchers WHERE name = %s"
_SAVE = """
INSERT INTO stripe_sync.stream_watchers (name, positions) VALUES (%s, %s::text::jsonb)
ON CONFLICT (name) DO UPDATE SET positions = excluded.positions, updated_at = now()
"""

_TIMEOUT_SECONDS = 60.0
"""Time after which the streams are looked at without a notification."""

# A lost connection is an error within a minute, not a silence of hours.
_KEEPALIVES: dict[str, int] = {
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_READ_SECONDS = 2.0
_POOLED = (
    "The warehouse is behind a connection pooler, where LISTEN does not work: reading the stream "
    "positions every %s seconds instead. A direct connection reports changes at once."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamNotification:
    """Change events added to the stream of one sync.

    Attributes:
        sync: Name of the sync.
        changes: Number of change events.
        collections: Number of change events by collection id.
        last_seq: Position of the last one.
    """

    sync: str
    changes: int
    collections: dict[str, int]
    last_seq: int


async def listen_streams(
    url: str, *, seconds: float, watcher: str
) -> AsyncGenerator[StreamNotification, None]:
    """Yield what is added to the streams.

    Begins after what was reported under the watcher's name; at the end of the streams, when the
    name is new. What was yielded counts as reported ``seconds`` later: a caller that ends earlier
    gets it again.

    Through a transaction pooler LISTEN has no effect: the positions are read every few seconds
    instead, and a warning says so.

    Args:
        url: The warehouse.
        seconds: How long to collect further changes after the first one.
        watcher: Name under which the positions are stored; one caller at a time uses it.

    Raises:
        WarehouseError: The warehouse cannot be reached, the connection was lost, or there are no
            tables yet; call it again later.
    """
    with explain(parse_url(url)):
        async with await psycopg.AsyncConnection.connect(
            **(_KEEPALIVES | connect_arguments(url)), autocommit=True
        ) as connection:
            ((pid,),) = await _rows(connection, BACKEND_PID)
            direct = keep_session(connection, pid)
            if direct:
                # It listens before it reads, so that no commit falls in between.
                await connection.execute(f"LISTEN {CHANNEL}")
            else:
                log.warning(_POOLED, _READ_SECONDS)
            positions = await _load(connection, watcher)
            while True:
                reported = False
                for notification in await _added(connection, positions):
                    yield notification
                    reported = True
                if not direct:
                    await asyncio.sleep(max(seconds, _READ_SECONDS))
                elif await _is_notified(connection, seconds if reported else _TIMEOUT_SECONDS):
                    await asyncio.sleep(seconds)
                if reported:
                    await _save(connection, watcher, positions)


async def _is_notified(connection: psycopg.AsyncConnection[Any], seconds: float) -> bool:
    """Wait for a notification, for so long at most."""
    notifies = connection.notifies(timeout=seconds, stop_after=1)
    return bool([notify async for notify in notifies])


async def _load(connection: psycopg.AsyncConnection[Any], watcher: str) -> dict[UUID, int]:
    """The stored positions of a watcher; those of a new one are the ends of the streams."""
    if rows := await _rows(connection, _LOAD, watcher):
        return {UUID(sync_id): seq for sync_id, seq in rows[0][0].items()}
    positions = {sync_id: seq for _, sync_id, seq in await _rows(connection, _POSITIONS)}
    await _save(connection, watcher, positions)
    return positions


async def _save(
    connection: psycopg.AsyncConnection[Any], watcher: str, positions: dict[UUID, int]
) -> None:
    text = canonical_json.dumps({str(sync_id): seq for sync_id, seq in positions.items()})
    await connection.execute(_SAVE, (watcher, text.decode()))


async def _added(
    connection: psycopg.AsyncConnection[Any], positions: dict[UUID, int]
) -> list[StreamNotification]:
    """What was added after these positions, which are moved forward."""
    notifications = []
    for name, sync_id, last_seq in await _rows(connection, _POSITIONS):
        before = positions.get(sync_id, 0)
        if last_seq < before:  # the sync was deleted and created again
            before = 0
        if last_seq > before:
            positions[sync_id] = last_seq
            counts = dict(await _rows(connection, _CHANGES, sync_id, before, last_seq))
            if counts:
                total = sum(counts.values())
                notifications.append(StreamNotification(name, total, counts, last_seq))
    return notifications


async def _rows(
    connection: psycopg.AsyncConnection[Any], query: str, *values: Any
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()
