"""Word of what was committed to the streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from stripe_sync.warehouse.connect import explain, parse_url

_POSITIONS = """
SELECT s.name, p.sync_id, p.last_seq FROM stripe_sync.stream_position AS p
JOIN stripe_sync.syncs AS s ON s.id = p.sync_id
"""
_CHANGES = """
SELECT collection_id, count(*) FROM stripe_raw.events
WHERE sync_id = %s AND seq > %s AND seq <= %s GROUP BY collection_id ORDER BY collection_id
"""
_QUIET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StreamNotification:
    """What was added to the stream of one sync.

    Attributes:
        sync: Its name.
        changes: Number of change events.
        collections: The same by collection id.
        last_seq: Position of the last one.
    """

    sync: str
    changes: int
    collections: dict[str, int]
    last_seq: int


async def listen_streams(url: str, *, seconds: float) -> AsyncIterator[StreamNotification]:
    """Tell what is added to the streams from now on.

    Args:
        url: The warehouse.
        seconds: Time in which changes are gathered after the first one.

    Raises:
        WarehouseError: The warehouse cannot be reached, or has no tables yet.
    """
    parsed = parse_url(url)
    dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with explain(parsed):
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute("LISTEN stripe_sync")
            told = {sync_id: seq for _, sync_id, seq in await _rows(connection, _POSITIONS)}
            while True:
                heard = [n async for n in connection.notifies(timeout=_QUIET_SECONDS, stop_after=1)]
                if not heard:
                    continue
                await asyncio.sleep(seconds)
                for news in await _since(connection, told):
                    yield news


async def _since(
    connection: psycopg.AsyncConnection[Any], told: dict[UUID, int]
) -> list[StreamNotification]:
    found = []
    for name, sync_id, last_seq in await _rows(connection, _POSITIONS):
        before = told.get(sync_id, 0)
        if last_seq > before:
            told[sync_id] = last_seq
            counts = dict(await _rows(connection, _CHANGES, sync_id, before, last_seq))
            if counts:
                found.append(StreamNotification(name, sum(counts.values()), counts, last_seq))
    return found


async def _rows(
    connection: psycopg.AsyncConnection[Any], query: str, *values: Any
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()
