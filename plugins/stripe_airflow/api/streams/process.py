"""The one reader of the streams that a process has, opened when it is first needed."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from functools import cache
from typing import TYPE_CHECKING

import anyio

from stripe_airflow.hooks.warehouse import warehouse_url

if TYPE_CHECKING:
    from stripe_sync import PullQueue, StreamReader

_URL_SECONDS = 5.0
"""How long the warehouse's address is used before Airflow's connection is read again."""

_RESERVED_FILES = 256
"""Files that the rest of the process may have open; each waiting reader needs one."""


class ProcessReader:
    """The reader of the streams for the warehouse that Airflow's connection names now."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        # Threads of its own: those of Airflow's routes may all be busy.
        self._threads = anyio.CapacityLimiter(2)
        self._url = ""
        self._read_at = 0.0
        self._reader: StreamReader | None = None
        self._queue: PullQueue | None = None

    async def get(self) -> StreamReader:
        """The reader, opened if need be.

        Raises:
            ConfigurationError: The connection of the warehouse is wrong.
        """
        async with self._lock:
            if self._reader is None or time.monotonic() - self._read_at > _URL_SECONDS:
                url = await anyio.to_thread.run_sync(warehouse_url, limiter=self._threads)
                self._read_at = time.monotonic()
                if self._reader is None or url != self._url:
                    # Imported here: every process of Airflow loads the plugin.
                    from stripe_sync import PullQueue, StreamReader

                    await self.close()
                    reader = StreamReader(url, is_server_stopping)
                    await reader.__aenter__()
                    self._reader, self._url = reader, url
                    self._queue = PullQueue(reader)
            return self._reader

    async def waiting_place(self) -> StreamReader:
        """The reader, for one more caller who waits.

        Raises:
            ApiError: 503: too many wait already.
            ConfigurationError: The connection of the warehouse is wrong.
        """
        reader = await self.get()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        waiting = reader.waiting + (self._queue.waiting if self._queue else 0)
        if waiting >= max(files - _RESERVED_FILES, _RESERVED_FILES):
            # Imported here, as FastAPI is loaded with it.
            from stripe_airflow.api.errors import ApiError

            message = (
                f"{waiting} readers wait in this process: try again later, or raise its"
                " limit of open files (ulimit -n)"
            )
            raise ApiError(503, "too_many_readers", message)
        return reader

    async def queue(self, *, waits: bool = False) -> PullQueue:
        """The queue of pull consumers.

        Args:
            waits: Whether a caller is to wait.

        Raises:
            ApiError: 503: too many wait already.
            ConfigurationError: The connection of the warehouse is wrong.
        """
        await (self.waiting_place() if waits else self.get())
        assert self._queue is not None  # noqa: S101 - opened with the reader
        return self._queue

    async def close(self) -> None:
        """Close the reader; the next call opens another one."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.__aexit__(None, None, None)


def is_server_stopping() -> bool:
    """Whether uvicorn has been told to stop; it waits for open requests before it ends the app.

    Its handler of the signal is a method of the server.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))


@cache
def streams() -> ProcessReader:
    """The reader of this process, in the event loop of its requests."""
    return ProcessReader()


async def close_streams() -> None:
    """Close the reader; it may be opened again, in another event loop."""
    if streams.cache_info().currsize:
        await streams().close()
        streams.cache_clear()
