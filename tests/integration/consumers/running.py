"""Delivers to a consumer of the kind ``file`` in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from integration.streams.conftest import Streams
from stripe_sync import (
    ConfigurationError,
    ConsumerInfo,
    DeliveryReport,
    TargetConnection,
    create_consumer,
    deliver,
    get_consumer,
)

PATIENCE = 30.0


def no_connection(conn_id: str) -> TargetConnection:
    message = f"there is no connection {conn_id}"
    raise ConfigurationError(message)


class Running:
    """Delivers in a thread until the test has seen enough."""

    def __init__(self, streams: Streams, path: Path) -> None:
        self.streams, self.path = streams, path
        self.statuses: list[Sequence[ConsumerInfo]] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def create(self, stream: str = "events", **values: object) -> ConsumerInfo:
        settings = {"path": str(self.path)}
        return create_consumer(
            self.streams.url, "out", "file", stream=stream, settings=settings, **values
        )

    @property
    def consumer(self) -> ConsumerInfo:
        return get_consumer(self.streams.url, "out")

    def lines(self) -> list[tuple[str, int]]:
        """Object and position of what was delivered, in order."""
        if not self.path.exists():
            return []
        words = (line.split() for line in self.path.read_text().splitlines())
        return [(upstream_id, int(seq)) for _, _, upstream_id, seq in words]

    def deliver(self, seconds: float | None = None) -> DeliveryReport:
        return deliver(
            *(self.streams.url, no_connection),
            seconds=seconds,
            is_stopping=self._stop.is_set,
            on_status=self.statuses.append,
        )

    def start(self) -> None:
        self._threads.append(threading.Thread(target=self.deliver, daemon=True))
        self._threads[-1].start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self._threads.clear()
        self._stop.clear()

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, (self.consumer, self.lines())
            time.sleep(0.02)

    def run_until(self, condition: Callable[[], bool]) -> None:
        self.start()
        try:
            self.until(condition)
        finally:
            self.stop()
