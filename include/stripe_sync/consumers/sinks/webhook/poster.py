"""Posts one item to the URL."""

from __future__ import annotations

import asyncio
import io
import ssl

import aiohttp
from yarl import URL

from stripe_sync.clock import SystemClock
from stripe_sync.consumers.sinks.webhook.addresses import NOT_PUBLIC, AddressCheck
from stripe_sync.consumers.sinks.webhook.failures import Failure, Failures
from stripe_sync.consumers.sinks.webhook.settings import WebhookSettings
from stripe_sync.consumers.sinks.webhook.signing import Signer, webhook_id
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.selection import Stream
from stripe_sync.version import __version__

_CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 1.5  # less than what servers keep connections for: gunicorn 2 s, uvicorn, Node 5 s
_RESEND_SECONDS = 0.1

_ANSWER_BYTES = 4_096
_ANSWER_SECONDS = 0.25

_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": f"airflow-stripe-sync/{__version__} (Standard Webhooks)",
}


class Poster:
    """Posts items to a URL, from ``open`` to ``close``.

    Proxies of the environment are not used: behind one, the addresses that it connects could not be
    checked.

    Args:
        settings: Where and how.
        signer: Signs them.
        stream: What the items are.
    """

    def __init__(self, settings: WebhookSettings, signer: Signer, stream: Stream) -> None:
        self._settings = settings
        self._signer = signer
        self._stream = stream
        self._url = URL(settings.url)
        self._failures = Failures(self._url, settings.timeout_seconds)
        self._clock = SystemClock()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; connects to nothing yet."""
        if self._session is not None:
            return
        # Not aiohttp's own, which is made at import: SSL_CERT_FILE may be set later. In a thread,
        # since the certificates of all authorities are parsed (20 ms).
        tls = await asyncio.to_thread(ssl.create_default_context)
        limit = self._settings.timeout_seconds
        connect = min(_CONNECT_SECONDS, limit / 2)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the sink limits them
                keepalive_timeout=_IDLE_SECONDS,
                socket_factory=AddressCheck(self._settings.allow_addresses),
                ssl=tls,
            ),
            timeout=aiohttp.ClientTimeout(total=limit, connect=connect, sock_connect=connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,  # an answer of 4 KiB could become 4 MB
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, item: StreamItem) -> Failure | None:
        """Post an item; returns why it was not taken, None if it was."""
        message_id = webhook_id(self._stream, item)
        try:
            return await self._try(message_id, item.body)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if not _may_be_chance(error):
                return self._failures.of_error(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            return self._failures.of_error(error)
        # A server may close an idle connection while the request is on its way.
        await self._clock.sleep(_RESEND_SECONDS)
        try:
            return await self._try(message_id, item.body)
        except (aiohttp.ClientError, TimeoutError) as error:
            return self._failures.of_error(error)

    async def _try(self, message_id: str, body: bytes) -> Failure | None:
        if self._session is None:
            message = "open the sink first"
            raise RuntimeError(message)
        now = self._clock.now()
        async with self._session.post(
            self._url,
            data=io.BytesIO(body),
            headers=self._signer.headers(message_id, now, body.decode()),
            allow_redirects=False,
        ) as response:
            status, headers = response.status, response.headers
            await _read_a_little(response)
        return self._failures.of_answer(status, headers, now)


async def _read_a_little(response: aiohttp.ClientResponse) -> None:
    """Read a short answer, so that its connection can be used again; else close that.

    The status has decided already: how the rest arrives, or whether, changes nothing.
    """
    left = _ANSWER_BYTES
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while left > 0 and (part := await response.content.read(left)):
                left -= len(part)
    except (aiohttp.ClientError, TimeoutError):
        left = 0
    if left <= 0:
        response.close()


def _may_be_chance(error: aiohttp.ClientError) -> bool:
    """Whether the same request may succeed at once."""
    if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ClientConnectorDNSError)):
        return False
    return NOT_PUBLIC not in str(error)
