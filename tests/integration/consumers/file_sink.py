"""A fifth kind of sink: it appends items to a file, and does what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Self

from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    Outcome,
    SinkContext,
    SinkSettings,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.streams.items import StreamItem

Answer = Callable[[DeliveryBatch], Outcome]


class FileSettings(SinkSettings):
    """Settings of the kind ``file``."""

    path: Path


class FileSink:
    """Appends a line for each item: number of the lease, collection, object, position."""

    Settings: ClassVar[type[SinkSettings]] = FileSettings
    needs_connection: ClassVar[bool] = False
    keeps_cursor: ClassVar[bool] = False
    longest_wait: ClassVar[timedelta] = timedelta(milliseconds=50)
    gives_up_after: ClassVar[timedelta | None] = None

    answer: ClassVar[Answer | None] = None
    """What ``deliver`` answers; it may raise. Items that it names are not written."""

    def __init__(self, path: Path, epoch: int) -> None:
        self._path, self._epoch = path, epoch
        self._delivered = 0

    @classmethod
    def of(cls, settings: SinkSettings, context: SinkContext) -> Self:
        assert isinstance(settings, FileSettings)
        return cls(settings.path, context.epoch)

    async def open(self, checkpoint: Checkpoint) -> Checkpoint:
        self._delivered = (checkpoint.position or {}).get("delivered", 0)
        return checkpoint

    async def deliver(self, batch: DeliveryBatch) -> Outcome:
        answer = type(self).answer
        outcome = answer(batch) if answer else Outcome()
        left_out = {*outcome.failed, *outcome.skipped, *outcome.unfinished}
        taken = [item for item in batch.items if item.key not in left_out]
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(self._line(item) for item in taken)
        self._delivered += len(taken)
        return outcome

    def position(self) -> JsonObject | None:
        return {"delivered": self._delivered}

    async def close(self) -> None:
        pass

    def _line(self, item: StreamItem) -> str:
        return f"{self._epoch} {item.collection_id} {item.upstream_id} {item.seq}\n"
