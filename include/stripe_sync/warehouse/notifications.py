"""Notifications (LISTEN and NOTIFY) of what is committed to the streams.

The statement that adds change events to a stream notifies the channel with its commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.libpq import BACKEND_PID, connect_arguments, keep_session
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


async def listen_streams(url: str, *, seconds: float) -> AsyncIterator[StreamNotification]:
    """Yield what is added to the streams from now on.

    Through a transaction pooler LISTEN has no effect: the positions are read every few seconds
    instead, and a warning says so.

    Args:
        url: The warehouse.
        seconds: How long to collect further changes after the first one.

    Raises:
        WarehouseError: The warehouse cannot be reached, or has no tables yet.
    """
    with explain(parse_url(url)):
        async with await psycopg.AsyncConnection.connect(
            **connect_arguments(url), autocommit=True
        ) as connection:
            ((pid,),) = await _rows(connection, BACKEND_PID)
            direct = keep_session(connection, pid)
            if direct:
                await connection.execute(f"LISTEN {CHANNEL}")
            else:
                log.warning(_POOLED, _READ_SECONDS)
            positions = {sync_id: seq for _, sync_id, seq in await _rows(connection, _POSITIONS)}
            while True:
                if direct:
                    notifies = connection.notifies(timeout=_TIMEOUT_SECONDS, stop_after=1)
                    if not [notify async for notify in notifies]:
                        continue
                await asyncio.sleep(seconds if direct else max(seconds, _READ_SECONDS))
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
