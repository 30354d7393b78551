"""TLS: certificates are checked, and what is wrong with one is named."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from integration.consumers.webhook.receiver import batch, event, receiving, sink_to
from stripe_sync.consumers.sink import Outcome, TargetError


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[trustme.CA]:
    """A private authority that is trusted, as a user would have it trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_valid_certificate_is_accepted(authority: trustme.CA) -> None:
    async def run() -> None:
        tls = serving(authority.issue_cert("127.0.0.1"))
        async with (
            receiving(tls=tls) as receiver,
            sink_to(receiver.url, allow_http=False) as sink,
        ):
            assert await sink.deliver(batch(event(1))) == Outcome()
            receiver.received[0].verify()

    asyncio.run(run())


def yesterday(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (lambda _: trustme.CA().issue_cert("127.0.0.1"), "unable to get local issuer"),
        (lambda authority: authority.issue_cert("example.com"), "IP address mismatch"),
        (yesterday, "expired"),
    ],
    ids=["unknown authority", "other host", "expired"],
)
def test_an_invalid_certificate_is_named_with_the_remedy(
    authority: trustme.CA, certificate: object, why: str
) -> None:
    async def run() -> None:
        tls = serving(certificate(authority))  # type: ignore[operator]
        async with receiving(tls=tls) as receiver, sink_to(receiver.url) as sink:
            with pytest.raises(TargetError, match=why) as raised:
                await sink.deliver(batch(*(event(seq) for seq in range(1, 101))))
            assert receiver.received == []
            assert "SSL_CERT_FILE" in str(raised.value)
            assert "QUERY_SECRET" not in str(raised.value)
            assert raised.value.retry_after == 60

    asyncio.run(run())


def test_a_server_without_tls(authority: trustme.CA) -> None:
    async def run() -> None:
        async with receiving() as receiver:
            url = receiver.url.replace("http:", "https:")
            async with sink_to(url) as sink:
                with pytest.raises(TargetError, match="does not speak TLS") as raised:
                    await sink.deliver(batch(event(1)))
                assert "QUERY_SECRET" not in str(raised.value)

    asyncio.run(run())


def test_a_server_that_never_finishes_the_handshake(authority: trustme.CA) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}/?QUERY_SECRET"
        async with server, sink_to(url, timeout_seconds=1) as sink:
            with pytest.raises(TargetError, match="takes no connection in time") as raised:
                await sink.deliver(batch(event(1)))
                await sink.deliver(batch(event(2)))
            assert "QUERY_SECRET" not in str(raised.value)

    asyncio.run(run())
