"""A small HTTP server that answers what a test tells it to, and a clock that keeps waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stripe_sync.client import Credential, Priority, RetryPolicy, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.records import canonical_json

KEY = "sk_test_51NeverShownAnywhere"
VERSION = "2026-10-28.endive"


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: str


@dataclass
class Answer:
    """What the server sends; ``declared`` bytes are promised, then the connection closes."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None


RESET = Answer(status=0)
SILENCE = Answer(status=-1)


def error(status: int, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    """An error as Stripe words it."""
    return Answer(status, canonical_json.dumps({"error": fields}), headers or {})


def found(value: object, **headers: str) -> Answer:
    return Answer(200, canonical_json.dumps(value), headers)


class ScriptedStripe:
    """Answers requests in order from a script; the last answer repeats."""

    def __init__(self, script: list[Answer]) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await self._read(reader):
                self.requests.append(request)
                answer = self.script[min(len(self.requests), len(self.script)) - 1]
                if answer is SILENCE:
                    await reader.read()  # until the client gives up
                    return
                if answer is RESET:
                    writer.transport.abort()
                    return
                writer.write(self._head(answer) + answer.body)
                await writer.drain()
                if answer.declared is not None:
                    return
        finally:
            writer.close()

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        method, target, _ = first.split(" ")
        return Request(method, target, headers, body.decode())

    @staticmethod
    def _head(answer: Answer) -> bytes:
        length = len(answer.body) if answer.declared is None else answer.declared
        lines = [f"HTTP/1.1 {answer.status} Said", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()


class WaitlessClock:
    """Keeps what it was asked to wait, and goes on at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


class RecordingPacer:
    """Grants everything and keeps what was asked."""

    def __init__(self) -> None:
        self.acquired: list[tuple[str, Priority]] = []
        self.slowed: list[tuple[str, str]] = []
        self.closed = False

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        self.acquired.append((endpoint, priority))

    async def slow_down(self, endpoint: str, reason: str) -> None:
        self.slowed.append((endpoint, reason))

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """A client, and everything around it that a test may look at."""

    address: str
    api: StripeApi
    server: ScriptedStripe
    rate_limiter: RecordingPacer
    clock: WaitlessClock


@asynccontextmanager
async def scripted(
    *script: Answer,
    account: str | None = None,
    retry: RetryPolicy | None = None,
    rate_limiter: RecordingPacer | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Bench]:
    stripe = ScriptedStripe(list(script))
    server = await asyncio.start_server(stripe.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    credential = Credential(KEY, f"http://{host}:{port}", account)
    rate_limiter, waitless = rate_limiter or RecordingPacer(), WaitlessClock()
    api = StripeApi(
        credential,
        api_version=VERSION,
        rate_limiter=rate_limiter,
        retry=retry,
        clock=clock or waitless,
    )
    try:
        async with api:
            yield Bench(f"{host}:{port}", api, stripe, rate_limiter, waitless)
    finally:
        server.close()
        await server.wait_closed()
