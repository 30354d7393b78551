"""Waits for consumers of the streams outside of a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import timezone
from airflow.triggers.base import BaseTrigger, TriggerEvent

from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID, warehouse_url

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_TRIES = 5.0


class ConsumersTrigger(BaseTrigger):
    """Fires when the consumers of a mutation have read its changes, or when the time is over.

    Args:
        result: Result of a ``StripeMutationOperator``: sync, seq, collection_id and late are used.
        until: When to stop, in Unix seconds: a triggerer that takes over waits for the rest only.
        warehouse_conn_id: Id of the warehouse's connection, of type ``postgres``.
    """

    def __init__(
        self, result: dict[str, Any], until: float, warehouse_conn_id: str = WAREHOUSE_CONN_ID
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.result = result
        self.until = until
        self.warehouse_conn_id = warehouse_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            "stripe_airflow.triggers.consumers.ConsumersTrigger",
            {
                "result": self.result,
                "until": self.until,
                "warehouse_conn_id": self.warehouse_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: the result, with the consumers in ``late`` that are late now."""
        yield TriggerEvent(self.result | {"late": await self._late()})  # type: ignore[no-untyped-call]

    async def _late(self) -> list[str]:
        from stripe_sync import WarehouseError, wait_for_consumers

        late: list[str] = self.result["late"]
        sync, seq = self.result["sync"], self.result["seq"]
        collection_id = self.result["collection_id"]
        url = await asyncio.to_thread(warehouse_url, self.warehouse_conn_id)
        while True:
            left = max(0.0, self.until - timezone.utcnow().timestamp())
            try:
                return await wait_for_consumers(
                    url, sync, late, seq, collection_id=collection_id, seconds=left
                )
            except WarehouseError as error:
                if not left:
                    return late
                log.warning("Trying again in %.0f s: %s", _SECONDS_BETWEEN_TRIES, error)
                await asyncio.sleep(min(left, _SECONDS_BETWEEN_TRIES))
