"""A way to a warehouse that a test can cut and mend."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from stripe_sync.warehouse.connect import parse_url


class WarehouseSwitch:
    """Passes bytes on between a socket and the server while it is on.

    Attributes:
        folder: Folder of the socket.
        url: The warehouse behind the switch.
    """

    def __init__(self, url: str, folder: Path) -> None:
        with psycopg.connect(url) as connection:
            self._server = f"{connection.info.host}/.s.PGSQL.{connection.info.port}"
        self.folder = folder
        self._socket = folder / ".s.PGSQL.5432"
        self.url = (
            parse_url(url)
            .set(drivername="postgresql", host=None, port=None, query={"host": str(folder)})
            .render_as_string(hide_password=False)
        )
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def on(self) -> None:
        """Let connections through."""
        self._listener = listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._socket))
        listener.listen()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def off(self) -> None:
        """Refuse connections and break those that are open."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._socket.unlink()
        for each in (listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._open += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def warehouse_switch(url: str) -> Iterator[WarehouseSwitch]:
    """A switch that is on."""
    # Paths of sockets are limited to about 100 bytes, which pytest's own folders exceed.
    folder = Path(tempfile.mkdtemp(prefix="wh-", dir="/tmp"))
    switch = WarehouseSwitch(url, folder)
    switch.on()
    try:
        yield switch
    finally:
        switch.off()
        shutil.rmtree(folder)
