"""Webhooks: each item is posted to a URL, signed as Standard Webhooks prescribe."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    Outcome,
    SinkContext,
    SinkSettings,
    TargetError,
)
from stripe_sync.records.canonical_json import JsonObject

_MISSING = "this kind is not written yet"


class WebhookSettings(SinkSettings):
    """Settings of a webhook consumer."""


class WebhookSink:
    """Delivers to webhook."""

    Settings: ClassVar[type[SinkSettings]] = WebhookSettings
    needs_connection: ClassVar[bool] = False
    longest_wait: ClassVar[timedelta] = timedelta(minutes=15)
    gives_up_after: ClassVar[timedelta | None] = timedelta(hours=24)

    @classmethod
    def of(cls, settings: SinkSettings, context: SinkContext) -> Self:
        """See ``Sink``."""
        return cls()

    async def open(self, checkpoint: Checkpoint) -> Checkpoint:
        """See ``Sink``."""
        raise TargetError(_MISSING)

    async def deliver(self, batch: DeliveryBatch) -> Outcome:
        """See ``Sink``."""
        raise TargetError(_MISSING)

    def position(self) -> JsonObject | None:
        """See ``Sink``."""
        return None

    async def close(self) -> None:
        """See ``Sink``."""
