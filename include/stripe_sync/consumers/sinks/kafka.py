"""Kafka: a topic for each collection."""

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


class KafkaSettings(SinkSettings):
    """Settings of a kafka consumer."""


class KafkaSink:
    """Delivers to kafka."""

    Settings: ClassVar[type[SinkSettings]] = KafkaSettings
    needs_connection: ClassVar[bool] = True
    longest_wait: ClassVar[timedelta] = timedelta(minutes=1)
    gives_up_after: ClassVar[timedelta | None] = None

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
