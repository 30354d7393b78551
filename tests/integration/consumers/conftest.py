"""A warehouse with two syncs, whose streams consumers read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.consumers.file_sink import FileSink
from integration.consumers.running import Running
from integration.streams.conftest import Streams, make_streams
from stripe_sync.consumers.registry import SINKS
from stripe_sync.warehouse import Warehouse


@pytest.fixture
def streams(warehouse_url: str) -> Iterator[Streams]:
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        yield make_streams(warehouse_url, warehouse)


@pytest.fixture
def out(streams: Streams, tmp_path: Path) -> Iterator[Running]:
    SINKS["file"] = FileSink  # type: ignore[type-abstract]
    running = Running(streams, tmp_path / "out")
    try:
        yield running
    finally:
        running.stop()
        FileSink.answer = None
        del SINKS["file"]
