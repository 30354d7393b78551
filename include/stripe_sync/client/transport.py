"""HTTP transport of the official SDK: one shared session, bodies passed through unparsed."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
import stripe
from yarl import URL

from stripe_sync.client import network
from stripe_sync.client.credential import Credential
from stripe_sync.client.scrub_secrets import scrubbed
from stripe_sync.records import canonical_json
from stripe_sync.version import __version__

CONNECTIONS = 100
_READ_BUFFER_BYTES = 1 << 18
_SUCCESS = range(200, 300)
_EXCERPT_CHARACTERS = 200
_PROXY_LOGIN = (
    "put its user and password into HTTPS_PROXY or the connection: http://user:password@host:port"
)

before_send: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("before_send")
"""Awaited when the connection of a request is open, just before the request is written to it."""

raw_body: ContextVar[str | None] = ContextVar("raw_body", default=None)
"""Body of the request in place of the one that the SDK makes of parameters; None for that."""

# Both are process-wide settings of the SDK. Telemetry would add a header with facts about the
# machine to each request; the app info names the caller in Stripe's own logs.
stripe.enable_telemetry = False
stripe.set_app_info("airflow-stripe-sync", version=__version__)

# At INFO the SDK logs each request with its parameters. To see that, set the level of its logger.
if (_sdk_logger := logging.getLogger("stripe")).level == logging.NOTSET:
    _sdk_logger.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one attempt, in seconds.

    Attributes:
        connect: Until the connection is open.
        total: Until the whole answer is read.
    """

    connect: float = 10.0
    total: float = 80.0


class PassedBody(str):
    """An empty JSON object for the SDK's parser, with the true body in ``content``.

    The SDK parses each successful body into ordered dictionaries with the standard library, which
    costs several times the CPU budget of an object. It gets this placeholder instead and keeps it
    as ``StripeResponse.body``; the client parses ``content`` itself.
    """

    content: bytes

    def __new__(cls, content: bytes) -> PassedBody:
        """Wrap the true body."""
        body = super().__new__(cls, "{}")
        body.content = content
        return body


class NoConnection(stripe.APIConnectionError):
    """The server cannot be reached at all: a smaller page cannot be read either."""


class Transport(stripe.AIOHTTPClient):
    """The SDK's asynchronous transport over one keep-alive session.

    Must be created while the event loop runs.

    Args:
        timeouts: Limits of one attempt.
        credential: Has the address of the API, for which the environment may name a proxy.

    Raises:
        ConfigurationError: The environment's proxy or certificate authorities cannot be used.
    """

    def __init__(self, timeouts: Timeouts, credential: Credential) -> None:
        # Read once: aiohttp's own way reads the environment and ~/.netrc in threads for each
        # request, and a netrc entry would take the place of the key.
        self._proxy_url = network.proxy_for(credential)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=network.ssl_context(credential)),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect),
            read_bufsize=_READ_BUFFER_BYTES,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=[_without_resend],
            trace_configs=[_trace_connections()],
        )
        super().__init__(session=self._http)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Send one request and read the whole answer.

        Raises:
            NoConnection: The server cannot be reached.
            stripe.APIConnectionError: An answer that is cut short or comes too late, or none.
        """
        kind, raw = stripe.APIConnectionError, raw_body.get()
        try:
            # Redirects are not followed: the key goes to the configured host only.
            async with self._http.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=post_data if raw is None else raw,
                allow_redirects=False,
                proxy=self._proxy_url,
                trace_request_ctx=before_send.get(None),
            ) as response:
                body = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            kind, cause = NoConnection, _describe(error)
        except TimeoutError as error:
            cause = f"timed out: {error or type(error).__name__}"
        except (aiohttp.ClientError, OSError) as error:
            cause = _describe(error)
        else:
            if response.status in _SUCCESS:
                return PassedBody(body), response.status, response.headers
            return _error_body(body), response.status, response.headers
        # Raised outside the handlers, since aiohttp's errors hold the request with its key.
        raise kind(scrubbed(cause))  # type: ignore[no-untyped-call]

    async def close_async(self) -> None:
        """Close the session and its connections."""
        await self._http.close()


def _trace_connections() -> aiohttp.TraceConfig:
    async def on_connection(_session: object, context: SimpleNamespace, _params: object) -> None:
        if context.trace_request_ctx is not None:
            await context.trace_request_ctx()

    traces = aiohttp.TraceConfig()
    traces.on_connection_create_end.append(on_connection)
    traces.on_connection_reuseconn.append(on_connection)
    return traces


async def _without_resend(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from resending a request by itself: the rate limiter would not count it."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(_describe(error)) from error


def _describe(error: Exception) -> str:
    if type(error) is aiohttp.ClientConnectionError:
        return str(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        # Its own text has the whole address of the proxy.
        text = f"the proxy answered {error.status} {error.message}"
        needs_login = error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        return f"{text}; {_PROXY_LOGIN}" if needs_login else text
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return f"{text}; {network.CA_REMEDY}"
    return text


def _error_body(body: bytes) -> bytes:
    """An error answer as the SDK reads it without losing the headers, with no key in it.

    Stripe's message about a wrong key quotes part of it, and the SDK logs bodies. Proxies answer
    in HTML, for which the SDK's exception would carry no headers, Retry-After among them.
    """
    text = scrubbed(body.decode("utf-8", errors="replace"))
    try:
        answer = canonical_json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        return text.encode()
    excerpt = " ".join(text.split())[:_EXCERPT_CHARACTERS]
    return canonical_json.dumps(
        {"error": {"type": "api_error", "message": f"no JSON error: {excerpt}"}}
    )
