"""The streams as iterators, for scripts and the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from stripe_sync.libpq import BACKEND_PID, connect_arguments, keep_session
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import Row, StreamItem
from stripe_sync.streams.page import MAX_ITEMS, Queries, Result, read_page
from stripe_sync.streams.selection import Selection
from stripe_sync.streams.start import start_at
from stripe_sync.warehouse.connect import explain, parse_url
from stripe_sync.warehouse.notifications import CHANNEL

_SECONDS = 0.5
"""Time after which the streams are looked at without a notification."""


def iterate_stream(
    warehouse_url: str, selection: Selection, *, start: str = "all", follow: bool = False
) -> Iterator[tuple[StreamItem, StreamCursor]]:
    """Read the record or the event stream.

    It needs memory for a page, and holds no transaction open between pages. A reader that stores
    the cursor with what it made of the item misses nothing and gets nothing twice.

    Args:
        warehouse_url: ``postgresql://…``.
        selection: Which stream, and what of it.
        start: ``all``, ``new``, ``30m``, a time in ISO 8601, or the text of a cursor.
        follow: Wait for what is new at the end, forever.

    Yields:
        An item and the cursor after it.

    Raises:
        ConfigurationError: An argument is wrong.
        SyncNotFound: There is no such sync.
        WarehouseError: The warehouse cannot be reached, or the connection was lost.

    Example:
        >>> from stripe_sync import Selection, iterate_stream
        >>> customers = Selection.of("records", collections=["customer"])
        >>> for item, cursor in iterate_stream(url, customers):
        ...     print(item.json()["payload"]["email"], cursor)
    """
    url = parse_url(warehouse_url)
    with explain(url):
        connection = psycopg.connect(**connect_arguments(warehouse_url), autocommit=True)
    with connection:
        with explain(url):
            (pid,) = connection.execute(BACKEND_PID).fetchall()[0]
            direct = keep_session(connection, pid)
            if follow and direct:
                # It listens before it reads, so that no commit falls in between.
                connection.execute(f"LISTEN {CHANNEL}")
            cursor = _run(connection, start_at(selection, start))
        while True:
            with explain(url):
                page = _run(connection, read_page(selection, cursor, MAX_ITEMS))
            for item in page.items:
                cursor = cursor.moved(item.sync_id, item.seq)
                yield item, cursor
            cursor = page.cursor
            if not page.has_more:
                if not follow:
                    return
                with explain(url):
                    _wait(connection, direct=direct)


def start_position(warehouse_url: str, selection: Selection, start: str) -> StreamCursor:
    """The cursor of a reader that begins there.

    Args:
        warehouse_url: ``postgresql://…``.
        selection: What it reads; only the syncs count.
        start: As of :func:`iterate_stream`.

    Raises:
        ConfigurationError: It is no such place.
        SyncNotFound: There is no such sync.
        WarehouseError: The warehouse cannot be reached.
    """
    with (
        explain(parse_url(warehouse_url)),
        psycopg.connect(**connect_arguments(warehouse_url), autocommit=True) as connection,
    ):
        return _run(connection, start_at(selection, start))


def _run(connection: psycopg.Connection[Any], queries: Queries[Result]) -> Result:
    """Run the queries one after the other."""
    rows: Sequence[Row] | None = None
    while True:
        try:
            query, values = queries.send(rows)  # type: ignore[arg-type]
        except StopIteration as done:
            result: Result = done.value
            return result
        rows = connection.execute(query, values).fetchall()


def _wait(connection: psycopg.Connection[Any], *, direct: bool) -> None:
    if direct:
        for _ in connection.notifies(timeout=_SECONDS, stop_after=1):
            return
    else:
        time.sleep(_SECONDS)
