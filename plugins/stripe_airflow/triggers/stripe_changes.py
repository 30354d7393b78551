"""Commits to the streams as trigger events, so that DAGs can be scheduled on them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID, warehouse_url

log = logging.getLogger(__name__)

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0


class StripeChangesTrigger(BaseEventTrigger):
    """Fires after change events were committed, whichever process wrote them.

    It waits for PostgreSQL's NOTIFY; once a minute it looks without one. All commits within
    ``seconds`` are reported in one trigger event for each sync. How far it has reported is stored
    in the warehouse: commits made while its connection is down or the triggerer restarts are
    reported when it is back. After a restart the last trigger event may come again.

    Args:
        seconds: How long commits are collected after the first one.
        warehouse_conn_id: Id of the warehouse's connection, of type ``postgres``.
        watcher: Name under which its position is stored. Two triggers with different arguments, or
            two installations of Airflow on one warehouse, need different names.
    """

    def __init__(
        self,
        seconds: float = 5.0,
        warehouse_conn_id: str = WAREHOUSE_CONN_ID,
        watcher: str = "stripe_changes",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds = seconds
        self.warehouse_conn_id = warehouse_conn_id
        self.watcher = watcher

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            "stripe_airflow.triggers.stripe_changes.StripeChangesTrigger",
            {
                "seconds": self.seconds,
                "warehouse_conn_id": self.warehouse_conn_id,
                "watcher": self.watcher,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event for each sync that changed: sync, changes, collections, last_seq.

        It does not end: when the warehouse cannot be reached, it tries again, up to a minute later.
        """
        from stripe_sync import WarehouseError, listen_streams

        url = await asyncio.to_thread(warehouse_url, self.warehouse_conn_id)
        wait = _FIRST_WAIT_SECONDS
        while True:
            listening = listen_streams(url, seconds=self.seconds, watcher=self.watcher)
            try:
                async with aclosing(listening) as notifications:
                    async for notification in notifications:
                        wait = _FIRST_WAIT_SECONDS
                        yield TriggerEvent(asdict(notification))  # type: ignore[no-untyped-call]
            except WarehouseError as error:
                log.warning("Trying again in %.0f s: %s", wait, error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
