"""The network's proxy and certificate authorities, with a real proxy and real certificates."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from stripe_sync.client import Credential, Priority, RetryPolicy, StripeApi
from stripe_sync.client.network import proxy_for
from stripe_sync.errors import ConfigurationError, StripeUnreachable
from unit.client.scripted_stripe import KEY, VERSION, RecordingPacer, ScriptedStripe, found

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)
VARIABLES = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


@dataclass
class Proxy:
    """A proxy that tunnels (CONNECT) or forwards (a whole URL) to whatever it is asked for.

    Attributes:
        login: User and password that it demands.
        asked: First line of each request.
    """

    login: str | None = None
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *headers = head.strip().split("\r\n")
        self.asked.append(first)
        method, target, _ = first.split()
        wanted = "Basic " + base64.b64encode((self.login or "").encode()).decode()
        if self.login and f"Proxy-Authorization: {wanted}" not in headers:
            writer.write(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n")
        else:
            place = target if method == "CONNECT" else target.split("/")[2]
            host, port = place.split(":")
            upstream, downstream = await asyncio.open_connection(host, int(port))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Go\r\n\r\n")
            else:
                downstream.write(head.replace(target, "/" + target.split("/", 3)[3]).encode())
            await asyncio.gather(_pump(reader, downstream), _pump(upstream, writer))
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()
    except ConnectionError:
        pass


@asynccontextmanager
async def stripe_server(authority: trustme.CA | None) -> AsyncIterator[str]:
    """A Stripe over TLS, or without it; yields its address."""
    context = None
    if authority is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
    scripted = ScriptedStripe([found({"id": "acct_1"})])
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    yield f"{'https' if authority else 'http'}://localhost:{port}"
    server.close()


@asynccontextmanager
async def proxy_server(login: str | None = None) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy and its address, without a login."""
    proxy = Proxy(login)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    yield proxy, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def request(address: str, **network: str) -> object:
    credential = Credential(KEY, address, **network)  # type: ignore[arg-type]
    async with StripeApi(
        credential, api_version=VERSION, rate_limiter=RecordingPacer(), retry=ONCE
    ) as api:
        return (await api.get("/v1/account", priority=Priority.LIVE))["id"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_an_authority_of_the_network_is_trusted(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with stripe_server(authority) as address:
        with pytest.raises(StripeUnreachable, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
            await request(address)
        monkeypatch.setenv(variable, str(ca_file))
        assert await request(address) == "acct_1"


async def test_proxy_and_authorities_of_the_connection_go_before_those_of_the_environment(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost")
    async with stripe_server(authority) as address, proxy_server("me:secret") as (proxy, place):
        proxy_url = f"http://me:secret@{place}"
        assert await request(address, proxy=proxy_url, ca_bundle=str(ca_file)) == "acct_1"
        assert proxy.asked == [f"CONNECT {address.removeprefix('https://')} HTTP/1.1"]
        with pytest.raises(ConfigurationError, match="the CA bundle must name a PEM file"):
            await request(address, ca_bundle="/nowhere.pem")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_authority_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    monkeypatch.setenv(variable, str(file))
    with pytest.raises(ConfigurationError, match=f"{variable} must name .*ca.pem"):
        await request("https://localhost:1")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_requests_go_through_the_proxy(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with stripe_server(authority) as address, proxy_server("me:secret") as (proxy, place):
        monkeypatch.setenv(variable, f"http://me:secret@{place}")
        assert await request(address) == "acct_1"
        assert proxy.asked == [f"CONNECT {address.removeprefix('https://')} HTTP/1.1"]


async def test_plain_requests_go_through_the_proxy_of_their_scheme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stripe_server(None) as address, proxy_server() as (proxy, place):
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("HTTP_PROXY", place)
        assert await request(address) == "acct_1"
        assert proxy.asked == [f"GET {address}/v1/account HTTP/1.1"]


@pytest.mark.parametrize("exempt", ["localhost", "*", "other.example,localhost:{port}"])
async def test_exempt_hosts_are_reached_without_the_proxy(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with stripe_server(authority) as address, proxy_server() as (proxy, place):
        monkeypatch.setenv("HTTPS_PROXY", f"http://{place}")
        monkeypatch.setenv("NO_PROXY", exempt.format(port=address.rpartition(":")[2]))
        assert await request(address) == "acct_1"
        assert proxy.asked == []


async def test_a_proxy_that_refuses_is_an_error_with_the_remedy(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stripe_server(authority) as address, proxy_server("me:right") as (_, place):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:wrong@{place}")
        with pytest.raises(StripeUnreachable, match=r"407.*HTTPS_PROXY") as refused:
            await request(address)
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize("proxy", ["socks5://me:secret@h:1", "http://", "http://h:secret"])
async def test_a_proxy_that_cannot_be_used_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="must be an HTTP proxy") as refused:
        await request("https://localhost:1")
    assert "secret" not in str(refused.value)


async def test_a_live_key_never_travels_to_a_proxy_in_the_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert proxy_for(Credential("sk_live_1", "http://127.0.0.1:1")) is None
    assert proxy_for(Credential("sk_test_1", "http://127.0.0.1:1")) == "http://proxy.example:3128"
