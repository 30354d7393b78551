"""The right to poll a sync: one poller at a time, taken over when its holder dies."""

from __future__ import annotations

import os
import socket
from uuid import uuid4

from stripe_sync.errors import SyncBusy
from stripe_sync.sync.session import Session

LEASE_SECONDS = 10.0
"""How long a poller that died keeps others from its sync."""


class PollLease:
    """The lease of one poller. Commits carry its owner, so one that was lost commits nothing.

    Args:
        session: The open sync.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._renewed_at = 0.0
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    async def take(self) -> None:
        """Take the lease; a holder that died is given the time that its lease still runs.

        Raises:
            SyncBusy: Another poller keeps renewing it.
        """
        clock = self._session.clock
        end = clock.monotonic() + LEASE_SECONDS + 1
        while not self._renew():
            if clock.monotonic() >= end:
                message = (
                    f"sync {self._session.sync.name} is being polled by another process; stop that"
                    " one first, or let it be"
                )
                raise SyncBusy(message)
            await clock.sleep(0.2)

    def keep(self) -> None:
        """Renew the lease when a third of its time is over.

        Raises:
            SyncBusy: Another poller took it over.
        """
        waited = self._session.clock.monotonic() - self._renewed_at
        if waited > LEASE_SECONDS / 3 and not self._renew():
            message = f"sync {self._session.sync.name} was taken over by another poller"
            raise SyncBusy(message)

    def release(self) -> None:
        """Give the lease back, so that the next poller need not wait."""
        self._session.warehouse.release_poll_lease(self._session.sync.id, self.owner)

    def _renew(self) -> bool:
        self._renewed_at = self._session.clock.monotonic()
        return self._session.warehouse.acquire_poll_lease(
            self._session.sync.id, self.owner, seconds=LEASE_SECONDS
        )
