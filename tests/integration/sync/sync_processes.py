"""What the tests of interrupted syncs run in processes of their own, to kill it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import SimpleNamespace
from typing import Any

from forked import processes
from stripe_sync.clock import SystemClock
from stripe_sync.sync.backfill.backfill import backfill_collection
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.maintain import maintain_sync
from stripe_sync.sync.poll.supervisor import PollSupervisor, Shard
from stripe_sync.sync.reload import reload_collection
from stripe_sync.sync.session import open_session


def _tell(work: Any, connections: Connections, sync: str, collection: str, to: Connection) -> None:
    try:
        report = work(connections, sync, collection, progress=lambda done: to.send(done.objects))
    except Exception as error:  # noqa: BLE001 - sent to the test
        to.send(error)
    else:
        to.send(report.status)


def follow_stream(connections: Connections, sync: str, _: str, **__: Any) -> SimpleNamespace:
    """Bring to the lake what polling and reconciling wrote to the stream."""

    async def run() -> None:
        async with open_session(connections, sync) as session:
            LakeFollower(session).flush()

    asyncio.run(run())
    return SimpleNamespace(status="done")


def maintain(connections: Connections, sync: str, _: str, **__: Any) -> SimpleNamespace:
    """Maintain a sync."""
    maintain_sync(connections, sync)
    return SimpleNamespace(status="done")


class WrongClock(SystemClock):
    """The clock of a machine that is ahead by so many seconds, or behind."""

    def __init__(self, ahead: float) -> None:
        self._ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        return super().now() + self._ahead


class Work:
    """A use case in a process of its own; its progress is received from ``messages``.

    Args:
        work: ``backfill_collection`` or another of this module's.
        connections: What it works with.
        sync: Its sync.
        collection: Its collection.
    """

    def __init__(self, work: Any, connections: Connections, sync: str, collection: str) -> None:
        self.messages, to = processes.Pipe(duplex=False)
        arguments = (work, connections, sync, collection, to)
        self.process: BaseProcess = processes.Process(target=_tell, args=arguments)
        self.process.start()
        to.close()

    def end(self) -> Any:
        """What it ended with: its status, or its exception."""
        message = None
        try:
            while not isinstance(message, str | Exception):
                message = self.messages.recv()
        finally:
            self.process.join()
        return message

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.join()


def _poll(connections: Connections, sync: str, clock_ahead: float) -> None:
    supervisor = PollSupervisor(
        lambda _: connections, [sync], Shard(), clock=WrongClock(clock_ahead)
    )
    asyncio.run(supervisor.run(connections.warehouse_url, 60))


class Polling:
    """A poller in a process of its own.

    Args:
        connections: What it works with.
        sync: Its sync.
        clock_ahead: Seconds that the clock of its machine is ahead.
    """

    def __init__(self, connections: Connections, sync: str, clock_ahead: float = 0.0) -> None:
        self._process: BaseProcess = processes.Process(
            target=_poll, args=(connections, sync, clock_ahead)
        )
        self._process.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.join()


__all__ = [
    "Polling",
    "Work",
    "WrongClock",
    "backfill_collection",
    "follow_stream",
    "maintain",
    "reload_collection",
]
