"""One sync of a polling process: its poller starts, fails, is tried again and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stripe_sync.client.identity import key_problem
from stripe_sync.client.scrub_secrets import scrubbed
from stripe_sync.clock import Clock
from stripe_sync.errors import (
    AccountDisconnected,
    StripeSyncError,
    SyncBusy,
    SyncConflict,
    WarehouseError,
)
from stripe_sync.records import ids
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.poll.cadence import Cadence
from stripe_sync.sync.poll.outage import Backoff
from stripe_sync.sync.poll.poller import Poller
from stripe_sync.sync.poll.report import PollBatch, PollReport, PollResult
from stripe_sync.sync.session import SharedResources, open_session
from stripe_sync.warehouse.writing.batch_writer import BatchWriter

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""Longest time that pollers may take to stop; what hangs longer is cancelled."""

_CHECK_SECONDS = 0.5

Connect = Callable[[str], Connections]
"""Connections of a sync by its name; raises ConfigurationError where one is missing."""


@dataclass(frozen=True, slots=True)
class PollerParts:
    """What the pollers of one process share.

    Attributes:
        connect: How to reach Stripe, warehouse and lake for a sync.
        shared: The open warehouse.
        writer: Writes batches.
        owner: The process, as leases name it.
        interval: Seconds from one poll to the next.
        on_batch: Called after each transaction that changed something.
        clock: Counts the seconds.
    """

    connect: Connect
    shared: SharedResources
    writer: BatchWriter
    owner: str
    interval: float
    on_batch: Callable[[PollBatch], None] | None
    clock: Clock


class PolledSync:
    """A sync that is polled, or tried again after an error.

    Its attributes may be read from any thread.

    Args:
        name: Name of the sync.
        parts: What it shares with the others.
        revision: What was stored with the sync when it was listed last.

    Attributes:
        revision: As given.
        task: Runs the poller; None between an error and the next try.
        poller: The poller; None until it has the lease.
        error: Why the sync cannot be polled; None while it is.
        backoff: When it is tried again.
        report: Totals of all its pollers.
        polled_at: When Stripe last answered a poll; None for never.
    """

    def __init__(self, name: str, parts: PollerParts, revision: object) -> None:
        self.revision = revision
        self.task: asyncio.Task[None] | None = None
        self.poller: Poller | None = None
        self.error: Exception | None = None
        self.backoff = Backoff()
        self.report = PollReport()
        self.polled_at: datetime | None = None
        self._name = name
        self._parts = parts
        self._stopping = asyncio.Event()
        # Why the task ended, until that is recorded.
        self._failure: Exception | None = None
        # Whether the warehouse has the message of this poller's error, or none.
        self._is_message_stored = False

    def is_due(self) -> bool:
        """Whether a poller may be started: none runs, and the wait after an error is over."""
        return self.task is None and self.backoff.is_due(self._parts.clock.monotonic())

    def start(self, phase: float) -> None:
        """Start a poller.

        Args:
            phase: Seconds until its first poll.
        """
        self.task = asyncio.create_task(self._run(phase))

    def ask_to_stop(self) -> None:
        """Let the poller end after the poll under way."""
        self._stopping.set()

    async def record_end(self) -> None:
        """Store how the poller's task ended, if it did, and when the next try is due."""
        if self.task is None or not self.task.done():
            return
        error, self._failure, self.task = self._failure, None, None
        if error is None:
            return
        self.error = error
        wait = self.backoff.fail(error, self._parts.clock.monotonic())
        if isinstance(error, StripeSyncError):
            message = str(error)
            log.warning("Sync %s cannot be polled, next try in %.0f s: %s", self._name, wait, error)
        else:
            message = f"{type(error).__name__}: {scrubbed(str(error))}"
            log.error(
                "Sync %s cannot be polled, next try in %.0f s", self._name, wait, exc_info=error
            )
        try:
            if isinstance(error, AccountDisconnected):
                await self._disconnect(message)
            elif not isinstance(error, (SyncBusy, SyncConflict)):
                await self._set_message(message, key_problem(error))
        except WarehouseError as failed:
            log.warning("The error of sync %s could not be stored: %s", self._name, failed)

    async def _run(self, phase: float) -> None:
        """Run a poller to its end; no exception of it ends another's polling."""
        try:
            await self._poll(phase)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except Exception as error:  # noqa: BLE001 - recorded and tried again
            self._failure = error
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop of all
            self._failure = RuntimeError(f"{type(error).__name__}: {error}")

    async def _poll(self, phase: float) -> None:
        parts = self._parts
        connections = await asyncio.to_thread(parts.connect, self._name)
        opened = open_session(connections, self._name, clock=parts.clock, common=parts.shared)
        async with opened as session:
            poller = Poller(
                session,
                parts.writer,
                owner=parts.owner,
                on_batch=parts.on_batch,
                report=self.report,
            )
            await poller.start()
            try:
                self.poller, self._is_message_stored = poller, False
                cadence = Cadence(session.settings, parts.interval, poller.quiet_seconds)
                await self._keep_polling(poller, cadence, phase)
            finally:
                self.poller = None
                await poller.stop()

    async def _keep_polling(self, poller: Poller, cadence: Cadence, phase: float) -> None:
        """Poll at a fixed rate: the duration of one poll does not delay the next.

        However early it is stopped, it polls once.
        """
        clock, polled = self._parts.clock, False
        due = clock.monotonic() + phase
        while not (self._stopping.is_set() and polled):
            wait = due - clock.monotonic()
            if wait > _CHECK_SECONDS and not self._stopping.is_set():
                await clock.sleep(_CHECK_SECONDS)
                continue
            await clock.sleep(min(wait, _CHECK_SECONDS))
            result = await poller.poll()
            polled = True
            await self._note_result(result)
            cadence.update(found=result.found)
            now = clock.monotonic()
            due = now if result.more else max(due + cadence.seconds, now)

    async def _note_result(self, result: PollResult) -> None:
        """Store for ``stripe.poll_status`` when Stripe stops answering, and when it answers."""
        if result.answered_at:
            self.polled_at = result.answered_at
            self.backoff.reset()
        if not self._is_message_stored or (self.error is None) != (result.error is None):
            message = str(result.error) if result.error else None
            await self._set_message(message, key_problem(result.error))
        self.error, self._is_message_stored = result.error, True

    async def _disconnect(self, message: str) -> None:
        """Poll the sync no more: Stripe gives its key no access to the connected account."""
        remedy = (
            "disconnected, not polled until it is resumed (stripe-sync syncs resume"
            f" {self._name}) or stripe_reconcile finds that it has access again: {message}"
        )
        await self._set_message(remedy, "refused")
        mark_disconnected = self._parts.shared.warehouse.syncs.mark_disconnected
        await asyncio.to_thread(mark_disconnected, ids.sync_id(self._name))

    async def _set_message(self, message: str | None, problem: str | None) -> None:
        set_message = self._parts.shared.warehouse.polls.set_message
        await asyncio.to_thread(set_message, self._name, message, key_problem=problem)


async def wait_until_stopped(syncs: Sequence[PolledSync]) -> None:
    """Wait for pollers that were asked to stop; cancel those that hang."""
    tasks = [sync.task for sync in syncs if sync.task]
    if not tasks:
        return
    _, hanging = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    for task in hanging:
        task.cancel()
    if hanging:
        log.error("%s pollers did not stop in time and were cancelled", len(hanging))
        await asyncio.wait(hanging, timeout=STOP_SECONDS / 4)
