"""Notifications (LISTEN and NOTIFY) of what is committed to the streams.

The statement that adds change events to a stream notifies the channel with its commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

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
_TIMEOUT_SECONDS = 60.0


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


async def listen_streams(url: str, *, seconds: float) -> AsyncIterator[StreamNotification]:
    """Yield what is added to the streams from now on.

    Args:
        url: The warehouse.
        seconds: How long to collect further changes after the first one.

    Raises:
        WarehouseError: The warehouse cannot be reached, or has no tables yet.
    """
    parsed = parse_url(url)
    dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with explain(parsed):
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            positions = {sync_id: seq for _, sync_id, seq in await _rows(connection, _POSITIONS)}
            while True:
                notifies = connection.notifies(timeout=_TIMEOUT_SECONDS, stop_after=1)
                if not [notify async for notify in notifies]:
                    continue
                await asyncio.sleep(seconds)
                for notification in await _added(connection, positions):
                    yield notification


async def _added(
    connection: psycopg.AsyncConnection[Any], positions: dict[UUID, int]
) -> list[StreamNotification]:
    """What was added after these positions, which are moved forward."""
    notifications = []
    for name, sync_id, last_seq in await _rows(connection, _POSITIONS):
        before = positions.get(sync_id, 0)
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
