"""Pools of asynchronous connections to the warehouse."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from stripe_sync.libpq import BACKEND_PID, ISO_DATES, connect_arguments, keep_session

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

MOST_CONNECTIONS = 4

_WAIT_SECONDS = 5.0
_RECONNECT_SECONDS = 10.0


def async_pool(warehouse_url: str, name: str, *, autocommit: bool = False) -> Pool:
    """A pool that is not open yet; it connects when a connection is first needed.

    Args:
        warehouse_url: ``postgresql://…``.
        name: For the log.
        autocommit: Whether each statement is a transaction of its own.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    async def check(connection: psycopg.AsyncConnection[Any]) -> None:
        try:
            await Pool.check_connection(connection)
        except psycopg.Error:
            # After a restart of the server all are lost. Found one by one, with the growing waits
            # of the pool in between, they would take longer than a caller waits.
            await pool.drain()
            raise

    pool = Pool(
        kwargs={**connect_arguments(warehouse_url), "autocommit": autocommit},
        min_size=0,
        max_size=MOST_CONNECTIONS,
        timeout=_WAIT_SECONDS,
        reconnect_timeout=_RECONNECT_SECONDS,
        configure=_configure,
        check=check,
        name=name,
        open=False,
    )
    return pool


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    cursor = await connection.execute(BACKEND_PID)
    ((pid,),) = await cursor.fetchall()
    if keep_session(connection, pid):
        await connection.execute(ISO_DATES)
    await connection.commit()
