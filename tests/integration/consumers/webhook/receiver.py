"""A webhook receiver over real HTTP, which behaves as a test wants, and a sink that posts to it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from queue import Queue
from threading import Thread
from typing import Any
from uuid import UUID, uuid5

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    ItemFailure,
    Outcome,
    SinkContext,
    TargetConnection,
)
from stripe_sync.consumers.sinks.webhook import WebhookSettings, WebhookSink
from stripe_sync.records import canonical_json
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import ItemKey, StreamItem
from stripe_sync.streams.selection import Selection, Stream

SYNC = UUID("5f7a0dc3-0000-4000-8000-000000000001")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = canonical_json.loads(self.body)
        return value

    def verify(self, secret: str = SECRET) -> None:
        Webhook(secret).verify(self.body, dict(self.headers))


Answer = Callable[[Received], Awaitable[web.StreamResponse]]


async def accept(_: Received) -> web.StreamResponse:
    return web.Response(status=204)


def always(status: int, **headers: str) -> Answer:
    async def answer(_: Received) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named)

    return answer


@dataclass
class Receiver:
    """What came so far, and what is answered."""

    answer: Answer = accept
    received: list[Received] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    open_now: dict[str, int] = field(default_factory=dict)
    most_at_once: int = 0
    overlaps: list[str] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    unsigned: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?token=QUERY_SECRET"

    @property
    def seqs(self) -> list[int]:
        return [received.json["seq"] for received in self.received]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(await request.read(), request.headers.copy())
        self.received.append(received)
        try:
            received.verify()  # now, for a signature is valid for five minutes
        except (ValueError, WebhookVerificationError):
            self.unsigned.append(received)
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        name = received.json["upstream_id"]
        if self.open_now.get(name):
            self.overlaps.append(name)
        self.open_now[name] = self.open_now.get(name, 0) + 1
        self.most_at_once = max(self.most_at_once, sum(self.open_now.values()))
        try:
            response = await self.answer(received)
            if isinstance(response, Drip):
                return await response.send(request)
            return response
        finally:
            self.open_now[name] -= 1


class Drip(web.StreamResponse):
    """An answer whose body comes byte by byte, or all at once, and never ends."""

    def __init__(self, status: int, part: bytes, seconds: float) -> None:
        super().__init__(status=status)
        self.part, self.seconds = part, seconds
        self.sent = 0

    async def send(self, request: web.Request) -> web.StreamResponse:
        await self.prepare(request)
        while True:
            await self.write(self.part)
            self.sent += len(self.part)
            await asyncio.sleep(self.seconds)


@asynccontextmanager
async def receiving(
    answer: Answer = accept, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer, scheme="https" if tls else "http")
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    # A request that is given up by its sender ends here as well.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


@contextmanager
def receiving_in_thread(answer: Answer = accept) -> Iterator[Receiver]:
    """A receiver beside a test that blocks."""
    started: Queue[tuple[Receiver, asyncio.AbstractEventLoop, asyncio.Event]] = Queue()

    async def serve() -> None:
        stop = asyncio.Event()
        async with receiving(answer) as receiver:
            started.put((receiver, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    receiver, loop, stop = started.get(timeout=30)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()


@asynccontextmanager
async def sink_to(
    url: str,
    *,
    stream: Stream = Stream.EVENTS,
    secret: str = SECRET,
    position: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[WebhookSink]:
    """An open sink, allowed to post to this machine unless the test says otherwise."""
    values = {"url": url, "allow_http": True, "allow_addresses": LOOPBACK, **settings}
    context = SinkContext(
        "hook", Selection.of(stream), TargetConnection("c", "http", password=secret), epoch=1
    )
    sink = WebhookSink.of(WebhookSettings.model_validate(values), context)
    await sink.open(Checkpoint(StreamCursor(), position))
    try:
        yield sink
    finally:
        await sink.close()


async def settled(sink: WebhookSink, outcome: Outcome) -> dict[ItemKey, ItemFailure]:
    """What failed of a batch, once nothing of it is under way."""
    failed, open_now = dict(outcome.failed), set(outcome.unfinished)
    while open_now:
        await asyncio.sleep(0.02)
        later = await sink.deliver(batch())
        failed |= later.failed
        open_now -= {*later.failed, *later.finished}
    return failed


def event(seq: int, name: str = "", **fields: Any) -> StreamItem:
    """A change event of the object ``name``, or of an object of its own."""
    return _item(seq, name or f"cus_{seq}", id=str(uuid5(SYNC, str(seq))), **fields)


def record(
    seq: int,
    name: str,
    updated_idx: int,
    *,
    inserted_at: str = "2026-11-01T00:00:00.000000Z",
    payload_hash: str = "0a",
) -> StreamItem:
    """A state of a record."""
    return _item(
        *(seq, name),
        id=str(uuid5(SYNC, name)),
        inserted_at=inserted_at,
        payload_hash=payload_hash,
        updated_idx=updated_idx,
    )


def _item(seq: int, name: str, **fields: Any) -> StreamItem:
    body = {
        "collection_id": "stripe:customer",
        "seq": seq,
        "sync_id": str(SYNC),
        "upstream_id": name,
        **fields,
    }
    return StreamItem(SYNC, seq, canonical_json.dumps(body), "stripe:customer", name)


def batch(*items: StreamItem, again: bool = False) -> DeliveryBatch:
    """Items of a page, or such that are delivered once more."""
    start = StreamCursor({SYNC: items[0].seq - 1 if items else 0})
    end = start if again or not items else StreamCursor({SYNC: items[-1].seq})
    return DeliveryBatch(items, start, end)


def seqs(keys: Sequence[Any] | Mapping[Any, Any] | frozenset[Any]) -> list[int]:
    """Stream positions of item keys."""
    return sorted(seq for _, seq in keys)
