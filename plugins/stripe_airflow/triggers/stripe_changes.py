"""Commits to the streams as trigger events, so that DAGs can be scheduled on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from stripe_airflow.hooks.connections import WAREHOUSE_CONN_ID, warehouse_url


class StripeChangesTrigger(BaseEventTrigger):
    """Fires after change events were committed, whichever process wrote them.

    It waits for PostgreSQL's NOTIFY and sends no query in between. All commits within ``seconds``
    are reported in one trigger event for each sync. It reports commits after its start; a DAG that
    must not miss any keeps the last ``seq`` that it has read.

    Args:
        seconds: How long commits are collected after the first one.
        warehouse_conn_id: Id of the warehouse's connection, of type ``postgres``.
    """

    def __init__(self, seconds: float = 5.0, warehouse_conn_id: str = WAREHOUSE_CONN_ID) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds = seconds
        self.warehouse_conn_id = warehouse_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            "stripe_airflow.triggers.stripe_changes.StripeChangesTrigger",
            {"seconds": self.seconds, "warehouse_conn_id": self.warehouse_conn_id},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event for each sync that changed: sync, changes, collections, last_seq."""
        from stripe_sync import listen_streams

        url = await asyncio.to_thread(warehouse_url, self.warehouse_conn_id)
        async for notification in listen_streams(url, seconds=self.seconds):
            yield TriggerEvent(asdict(notification))  # type: ignore[no-untyped-call]
