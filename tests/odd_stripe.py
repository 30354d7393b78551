"""A proxy in front of the sandbox that changes what it answers."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from stripe_sync.records import canonical_json

Change = Callable[[str, dict[str, list[str]], bytes], bytes]
"""The body to answer with, by path, query and the sandbox's own body."""


def unchanged(_path: str, _query: dict[str, list[str]], body: bytes) -> bytes:
    """What the sandbox answers."""
    return body


class OddStripe:
    """Forwards requests to a sandbox.

    Args:
        upstream: ``http://host:port`` of the sandbox.

    Attributes:
        change: Changes answers with status 200.
    """

    def __init__(self, upstream: str) -> None:
        self.change: Change = unchanged
        odd, host = self, urlsplit(upstream).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.forward()

            def do_POST(self) -> None:
                self.forward()

            def forward(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                connection = http.client.HTTPConnection(host)
                headers = {k: v for k, v in self.headers.items() if k != "Accept-Encoding"}
                connection.request(self.command, self.path, sent, headers)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                target = urlsplit(self.path)
                if answer.status == 200:
                    body = odd.change(target.path, parse_qs(target.query), body)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[OddStripe]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


def adding(to: str, *texts: bytes) -> Change:
    """Add objects to the end of the first page of a list."""

    def change(path: str, query: dict[str, list[str]], body: bytes) -> bytes:
        if path != to or "starting_after" in query:
            return body
        page = canonical_json.loads(body)
        data = b",".join([*(canonical_json.dumps(obj) for obj in page["data"]), *texts])
        page["data"] = []
        return canonical_json.dumps(page).replace(b'"data":[]', b'"data":[' + data + b"]")

    return change
