"""Polling in a background thread, for a caller that runs a loop of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from stripe_sync.sync.event_loop import run_to_end
from stripe_sync.sync.poll.polled_sync import Connect
from stripe_sync.sync.poll.report import PollBatch, PollHealth, PollReport
from stripe_sync.sync.poll.supervisor import INTERVAL, PollSupervisor, Shard


class BackgroundPolling:
    """Runs a supervisor in one daemon thread until it is stopped.

    Example::

        polling = BackgroundPolling(connect, warehouse_url, syncs=["default"])
        polling.start()
        while polling.health().report.changes < 100:
            time.sleep(1)
        report = polling.stop(timeout=30)

    Args:
        connect: How to reach Stripe, warehouse and lake for a sync; called in other threads.
        warehouse_url: The warehouse, which has the list of syncs.
        syncs: Names of the syncs, made when they do not exist; none for all that are active.
        shard: Poll only this part of them.
        interval: Seconds from one poll to the next.
        on_batch: Called in the polling thread after each transaction that changed something.
    """

    def __init__(
        self,
        connect: Connect,
        warehouse_url: str,
        *,
        syncs: Sequence[str] = (),
        shard: Shard | None = None,
        interval: float = INTERVAL,
        on_batch: Callable[[PollBatch], None] | None = None,
    ) -> None:
        self._warehouse_url = warehouse_url
        self._supervisor = PollSupervisor(
            connect, syncs, shard or Shard(), interval=interval, on_batch=on_batch
        )
        self._thread = threading.Thread(target=self._run, name="stripe-poll", daemon=True)
        self._error: BaseException | None = None

    def start(self) -> None:
        """Start polling.

        Raises:
            RuntimeError: It was started before.
        """
        self._thread.start()

    def health(self) -> PollHealth:
        """State of polling now.

        Raises:
            StripeSyncError: Polling ended because no sync can be polled; the error of the first.
                Any other exception that ended it is raised as well.
        """
        running = self._thread.is_alive()
        self._raise_error()
        return replace(self._supervisor.health(), running=running)

    def stop(self, timeout: float) -> PollReport:
        """End polling: finish the transactions under way, write the lake, release the leases.

        Args:
            timeout: Seconds to wait for that.

        Returns:
            The totals.

        Raises:
            TimeoutError: Polling still runs after that. Its leases expire when this process ends.
            StripeSyncError: As for ``health``.
        """
        self._supervisor.stop()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                message = f"polling did not end within {timeout:g} seconds"
                raise TimeoutError(message)
        self._raise_error()
        return self._supervisor.health().report

    def _run(self) -> None:
        try:
            run_to_end(self._supervisor.run(self._warehouse_url))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
