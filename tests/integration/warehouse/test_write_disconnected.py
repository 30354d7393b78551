from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stripe_sync.errors import WarehouseError
from stripe_sync.records import EventRow, RecordRow
from stripe_sync.warehouse import BatchWriter, Warehouse
from stripe_sync.warehouse.connect import parse_url
from unit.records.changes.observations import SYNC, batch, observation, stripe_event


class Wire:
    """A wire to the server that breaks when a given statement passes.

    Attributes:
        breaks_at: Text of the statement; None while the wire is whole.
        delivers: Whether the server still gets that statement (its answer is lost either way).
    """

    def __init__(self, url: str, folder: Path) -> None:
        with psycopg.connect(url) as connection:
            self._host, self._port = connection.info.host, connection.info.port
        parsed = parse_url(url).set(
            drivername="postgresql", host=None, port=None, query={"host": str(folder)}
        )
        self.url = parsed.render_as_string(hide_password=False)
        self.breaks_at: bytes | None = None
        self.delivers = True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections; a mere close would let a waiting accept go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _connect(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(1 << 16):
            if self.breaks_at is not None and self.breaks_at in data:
                self.breaks_at = None
                client.shutdown(socket.SHUT_RDWR)
                if self.delivers:
                    server.sendall(data)
                else:
                    server.shutdown(socket.SHUT_RDWR)
                return
            server.sendall(data)
        server.close()

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := server.recv(1 << 16):
                client.sendall(data)
        except OSError:
            pass
        client.close()


@pytest.fixture
def wire(warehouse_url: str) -> Iterator[Wire]:
    # Paths of sockets are limited to about 100 bytes, which pytest's own folders exceed.
    folder = Path(tempfile.mkdtemp(prefix="wire-", dir="/tmp"))
    opened = Wire(warehouse_url, folder)
    yield opened
    opened.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("delivers", [True, False], ids=["answer lost", "question lost"])
@pytest.mark.parametrize("statement", [b"COMMIT", b"COPY", b"stream_position"])
def test_a_broken_connection_neither_loses_nor_duplicates_changes(
    warehouse: Warehouse, wire: Wire, statement: bytes, delivers: bool
) -> None:
    calls: list[int] = []

    def collect(_records: list[RecordRow], events: list[EventRow]) -> None:
        calls.append(len(events))

    with BatchWriter(wire.url) as writer:
        writer.load(batch(observation()))
        wire.breaks_at, wire.delivers = statement, delivers
        result = writer.load(
            batch(observation({"n": 1}, when=1, stripe_event=stripe_event("evt_1"))), collect
        )
        assert wire.breaks_at is None
        assert (result.updated, result.last_seq) == (1, 2)
        assert set(calls) == {1}, "a retry must not give the lake an empty batch"
        assert writer.load(batch(observation({"n": 2}, when=2))).last_seq == 3
    events = warehouse.streams.next_part(SYNC, after=0, limit=10).events
    assert [event.event_type for event in events] == ["created", "updated", "updated"]


def test_a_load_is_retried_when_the_server_ends_the_session(
    warehouse: Warehouse, writer: BatchWriter, warehouse_url: str
) -> None:
    writer.load(batch(observation()))
    with psycopg.connect(warehouse_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert writer.load(batch(observation({"n": 1}, when=1))).last_seq == 2


def test_a_warehouse_that_went_away_is_a_clear_error(warehouse: Warehouse, wire: Wire) -> None:
    with BatchWriter(wire.url) as writer:
        writer.load(batch(observation()))
        wire.close()
        wire.breaks_at = b"advisory"
        with pytest.raises(WarehouseError, match="cannot reach the warehouse at"):
            writer.load(batch(observation({"n": 1}, when=1)))
