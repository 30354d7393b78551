"""Changes in the streams as an Airflow asset, so that DAGs can be scheduled on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from stripe_airflow.hooks.connections import warehouse_url


class StripeChangesTrigger(BaseEventTrigger):
    """Fires after changes were committed to the streams, whoever wrote them.

    The warehouse notifies it, so it asks for nothing while nothing happens. What is committed
    within some seconds makes one event, with the number of changes of each collection. It tells of
    what happens from its start on; a DAG that must miss nothing keeps the last ``seq`` that it saw.

    Args:
        seconds: Time in which changes are gathered into one event.
    """

    def __init__(self, seconds: float = 5.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            "stripe_airflow.triggers.stripe_changes.StripeChangesTrigger",
            {"seconds": self.seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event for each sync that changed: sync, changes, collections, last_seq."""
        from stripe_sync.warehouse.reading.notifications import listen_streams

        url = await asyncio.to_thread(warehouse_url)
        async for news in listen_streams(url, seconds=self.seconds):
            yield TriggerEvent(asdict(news))  # type: ignore[no-untyped-call]
