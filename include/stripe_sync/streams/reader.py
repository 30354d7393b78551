"""The streams for many readers in one event loop: the HTTP API, and whatever waits for changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.hub import StreamHub
from stripe_sync.streams.items import ItemKey, Row, StreamItem
from stripe_sync.streams.page import (
    MAX_BYTES,
    MAX_ITEMS,
    Queries,
    Result,
    StreamPage,
    find_items,
    find_record,
    known_syncs,
    read_page,
)
from stripe_sync.streams.recent import (
    FoundRecord,
    RecentPage,
    RelatedRecords,
    count_events,
    find_records,
    find_related,
    read_recent,
)
from stripe_sync.streams.selection import Selection, Stream
from stripe_sync.streams.start import start_at
from stripe_sync.warehouse.async_pool import async_pool
from stripe_sync.warehouse.connect import explain, parse_url

MAX_WAIT_SECONDS = 30.0


_Key = tuple[Selection, str, int, int]


class StreamReader:
    """Pages of the streams, and waiting for more. Use it in one event loop.

    It has five connections at most, whatever the number of readers: four for pages, one that
    listens. Readers that ask for the same page at the same time share one query.

    Args:
        warehouse_url: ``postgresql://…``.
        is_stopping: Asked twice a second whether waiting readers are to be sent home.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    def __init__(self, warehouse_url: str, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._address = parse_url(warehouse_url)
        self._pool = async_pool(warehouse_url, "stripe_streams", autocommit=True)
        self._hub = StreamHub(warehouse_url, is_stopping)
        self._asked: dict[_Key, asyncio.Task[Any]] = {}

    async def __aenter__(self) -> Self:
        await self._pool.open()
        self._hub.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._hub.close()
        await self._pool.close()

    @property
    def waiting(self) -> int:
        """Number of readers that wait for something new."""
        return self._hub.waiting

    @property
    def is_closed(self) -> bool:
        """Whether readers are sent home."""
        return self._hub.is_closed

    async def page(
        self,
        selection: Selection,
        after: StreamCursor,
        *,
        limit: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
        wait_seconds: float = 0.0,
    ) -> StreamPage:
        """The next page; an empty one where nothing came in time.

        Args:
            selection: What to read.
            after: Where the page before ended.
            limit: Most items, 1 to 1,000.
            max_bytes: Bytes after which the page ends; its last item may exceed them.
            wait_seconds: How long to wait for the first item.

        Raises:
            ConfigurationError: The limit is out of range.
            SyncNotFound: There is no such sync.
            WarehouseError: The warehouse cannot be reached.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_seconds
        while True:
            page: StreamPage = await self._shared(
                (selection, str(after), limit, max_bytes),
                partial(read_page, selection, after, limit, max_bytes),
            )
            left = until - loop.time()
            if page.items or page.has_more or left <= 0 or self._hub.is_closed:
                return page
            await self._hub.wait(selection, page, left)
            after = page.cursor

    async def items(self, stream: Stream, keys: Sequence[ItemKey]) -> list[StreamItem]:
        """Items by sync and position, in this order; without those that the stream lacks.

        Args:
            stream: Which one.
            keys: Of the items. A record that has moved on to a later position is not found.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        return await self._run(find_items(stream, keys))

    async def wait(self, selection: Selection, page: StreamPage, seconds: float) -> bool:
        """Wait for something after a page, for so long at most.

        Returns:
            Whether the streams have moved on, also by what is not selected.
        """
        return await self._hub.wait(selection, page, seconds)

    async def start(self, selection: Selection, start: str) -> StreamCursor:
        """The cursor of a reader that begins there.

        Args:
            selection: What it reads.
            start: ``all``, ``new``, ``30m``, a time in ISO 8601 or a cursor.

        Raises:
            ConfigurationError: It is none of these.
            SyncNotFound: There is no such sync.
            WarehouseError: The warehouse cannot be reached.
        """
        # A thousand readers that connect at once, after a restart of the server, ask once.
        found: StreamCursor = await self._shared(
            (selection, start, 0, 0), partial(start_at, selection, start)
        )
        return found

    async def record(
        self,
        collection_id: str,
        upstream_id: str,
        *,
        sync: str | None = None,
        seq: int = 0,
        wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> StreamItem:
        """One record.

        Args:
            collection_id: ``stripe:customer`` or ``customer``.
            upstream_id: Stripe's id of the object.
            sync: Name or id of its sync; None where only one has it.
            seq: Position that the sync's streams must have reached before it is read.
            wait_seconds: How long to wait for that.

        Raises:
            ConfigurationError: An argument is wrong, or several syncs have the record.
            RecordNotFound: There is no such record.
            SyncNotFound: There is no such sync.
            TimeoutError: The streams did not reach ``seq`` in time.
            WarehouseError: The warehouse cannot be reached.
        """
        if seq:
            await self._reach(sync, seq, wait_seconds)
        return await self._run(find_record(sync, collection_id, upstream_id))

    async def recent(
        self, selection: Selection, *, before: str | None = None, limit: int = MAX_ITEMS
    ) -> RecentPage:
        """Change events backwards, newest first.

        Args:
            selection: What to read, of the event stream.
            before: ``before`` of the page after this one; None for the newest.
            limit: Most change events, 1 to 1,000. A page is shorter where the wanted ones are rare
                or large.

        Raises:
            ConfigurationError: The limit is out of range, or ``before`` is no such text.
            SyncNotFound: There is no such sync.
            WarehouseError: The warehouse cannot be reached.
        """
        return await self._run(read_recent(selection, before, limit))

    async def count(self, selection: Selection, after: StreamCursor, until: StreamCursor) -> int:
        """Number of change events between two cursors, or of those near the end of a long stretch.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        return await self._run(count_events(selection, after, until))

    async def find(self, upstream_id: str) -> list[FoundRecord]:
        """The records with an id, of any sync and collection: 100 at most, deleted ones last.

        Raises:
            ConfigurationError: No id of Stripe has such characters.
            WarehouseError: The warehouse cannot be reached.
        """
        return await self._run(find_records(upstream_id))

    async def related(
        self,
        sync_id: UUID,
        collection_id: str,
        upstream_id: str,
        *,
        collections: Sequence[str],
        limit: int,
    ) -> RelatedRecords:
        """The parent and the children of a record.

        Args:
            sync_id: Its sync.
            collection_id: Its collection, ``stripe:customer``.
            upstream_id: Its id.
            collections: Ids of the collections whose records may belong to it.
            limit: Most children of each collection.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        queries = find_related(sync_id, collection_id, upstream_id, collections, limit)
        return await self._run(queries)

    async def _reach(self, sync: str | None, seq: int, seconds: float) -> None:
        selection = Selection.of(Stream.RECORDS, syncs=[sync] if sync is not None else [])
        chosen = selection.choose(await self._run(known_syncs()))
        if len(chosen) != 1:
            message = "wait_for_seq needs sync_id: each sync counts by itself"
            raise ConfigurationError(message, param="sync_id")
        if not await self._hub.wait_for(chosen[0].id, seq, seconds):
            message = f"the streams of this sync have not reached position {seq}"
            raise TimeoutError(message)

    async def _shared(self, key: _Key, queries: Callable[[], Queries[Any]]) -> Any:
        """The result of queries, together with those who ask for the same now."""
        task = self._asked.get(key)
        if task is None:
            task = asyncio.create_task(self._run(queries()))
            self._asked[key] = task
            task.add_done_callback(partial(self._done, key))
        # A reader that goes away must not take the result from the others.
        return await asyncio.shield(task)

    def _done(self, key: _Key, task: asyncio.Task[Any]) -> None:
        del self._asked[key]
        if not task.cancelled():
            task.exception()  # retrieved here as well: all who asked may be gone

    async def _run(self, queries: Queries[Result]) -> Result:
        async with self.connection() as connection:
            return await run_queries(connection, queries)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """One of the four connections, in autocommit mode, for a short time.

        Raises:
            WarehouseError: The warehouse cannot be reached, or refuses a statement of the block.
        """
        with explain(self._address):
            async with self._pool.connection() as connection:
                yield connection


async def run_queries(connection: psycopg.AsyncConnection[Any], queries: Queries[Result]) -> Result:
    """Run queries one after the other."""
    rows: Sequence[Row] | None = None
    while True:
        try:
            query, values = queries.send(rows)  # type: ignore[arg-type]
        except StopIteration as done:
            result: Result = done.value
            return result
        rows = await (await connection.execute(query, values)).fetchall()
