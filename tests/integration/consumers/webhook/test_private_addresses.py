"""No request goes to a private address that is not allowed, however the URL spells it."""

from __future__ import annotations

import asyncio

import pytest

from integration.consumers.webhook.receiver import batch, event, receiving, sink_to
from stripe_sync.consumers.sink import Outcome, TargetError

PUBLIC_ONLY: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0x7f000001",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_this_machine_is_not_reached(host: str) -> None:
    async def run() -> None:
        async with receiving() as receiver:
            url = f"http://{host}:{receiver.port}/?QUERY_SECRET"
            async with sink_to(url, allow_addresses=PUBLIC_ONLY) as sink:
                with pytest.raises(TargetError, match="is not a public address") as raised:
                    await sink.deliver(batch(event(1)))
            assert receiver.received == []
            assert "allow_addresses" in str(raised.value)
            assert "QUERY_SECRET" not in str(raised.value)
            assert "Errno" not in str(raised.value)
            assert raised.value.retry_after == 60

    asyncio.run(run())


@pytest.mark.parametrize(
    "host", ["2130706433", "127.1", "0", "0177.0.0.1", "127.0.0.1.", "[::1%25lo]"]
)
def test_nor_by_notations_that_are_no_names(host: str) -> None:
    async def run() -> None:
        async with receiving() as receiver:
            url = f"http://{host}:{receiver.port}/"
            async with sink_to(url, allow_addresses=PUBLIC_ONLY) as sink:
                with pytest.raises(TargetError):
                    await sink.deliver(batch(event(1)))
            assert receiver.received == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "100.64.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a00:1::1]",
    ],
)
def test_nor_are_other_networks_even_if_this_machine_is_allowed(address: str) -> None:
    async def run() -> None:
        async with sink_to(f"http://{address}/") as sink:
            with pytest.raises(TargetError, match="is not a public address"):
                await sink.deliver(batch(event(1)))

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_an_allowed_network_is_reached(host: str) -> None:
    async def run() -> None:
        async with receiving() as receiver:
            url = f"http://{host}:{receiver.port}/"
            async with sink_to(url, allow_addresses=["127.0.0.1"]) as sink:
                assert await sink.deliver(batch(event(1))) == Outcome()
            assert receiver.seqs == [1]

    asyncio.run(run())


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with receiving() as proxy, receiving() as receiver:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            async with sink_to(receiver.url) as sink:
                assert await sink.deliver(batch(event(1))) == Outcome()
            assert proxy.received == []

    asyncio.run(run())
