"""Clusters that are gone, frozen, forgetful or strict: a clear error, nothing lost, no secret."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from integration.consumers.kafka.conftest import (
    SYNC,
    Topics,
    batch_of,
    change,
    connection,
)
from kafka_broker import KafkaBroker, running_broker
from stripe_sync.consumers.sink import Checkpoint, SinkContext, TargetError
from stripe_sync.consumers.sinks.kafka import KafkaSettings, KafkaSink
from stripe_sync.consumers.sinks.kafka.settings import ClientSettings
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.selection import Selection

SHORT = 1.5
SECRET = "geheim-8471"
BEGINNING = Checkpoint(StreamCursor({SYNC: 0}))


@pytest.fixture
def own(broker: KafkaBroker) -> Iterator[Topics]:
    """Topics of a broker that a test may break."""
    with running_broker() as running:
        yield Topics(running)


def changes(*seqs: int) -> list[StreamItem]:
    return [change(seq, f"cus_{seq % 3}") for seq in seqs]


async def delivered(sink: KafkaSink, items: list[StreamItem]) -> None:
    """Try until they are."""
    errors: list[str] = []
    while len(errors) < 10:
        try:
            await sink.deliver(batch_of(items))
        except TargetError as error:
            errors.append(str(error))
        else:
            return
    pytest.fail("\n".join(errors))


def error_of_opening(servers: str, **extra: Any) -> str:
    target = connection(servers, **{"sasl.password": SECRET, **extra})
    context = SinkContext("orders", Selection.of("events"), target, epoch=1)
    sink = KafkaSink(KafkaSettings(), ClientSettings(target), context, patience=SHORT)

    async def run() -> None:
        try:
            await sink.open(BEGINNING)
        finally:
            await sink.close()

    with pytest.raises(TargetError) as raised:
        asyncio.run(run())
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(target)
    return str(raised.value)


def test_a_cluster_that_cannot_be_reached_is_named(broker: KafkaBroker) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        servers = f"127.0.0.1:{nobody.getsockname()[1]}"
        error = error_of_opening(servers)
    assert servers in error
    assert "Connection refused" in error
    assert "check bootstrap.servers" in error


def test_a_name_that_does_not_resolve_is_named(broker: KafkaBroker) -> None:
    error = error_of_opening("kafka.invalid:9092")
    assert "resolve" in error
    assert "check bootstrap.servers" in error


def test_a_server_that_never_answers_is_not_waited_for_for_ever(broker: KafkaBroker) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "check bootstrap.servers" in error_of_opening(f"127.0.0.1:{silent.getsockname()[1]}")


def test_a_refused_login_names_the_settings_of_logins(broker: KafkaBroker) -> None:
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "u"}
    error = error_of_opening(broker.servers, **login)
    assert "SASL" in error
    assert "sasl.password in the extra" in error


def test_a_failed_handshake_names_the_settings_of_certificates(broker: KafkaBroker) -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        threading.Thread(target=_answer_without_tls, args=(rude,), daemon=True).start()
        port = rude.getsockname()[1]
        error = error_of_opening(f"127.0.0.1:{port}", **{"security.protocol": "SSL"})
    assert "SSL" in error
    assert "ssl.ca.location" in error


def _answer_without_tls(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.recv(100)
            client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def test_a_setting_that_librdkafka_does_not_have_is_named(broker: KafkaBroker) -> None:
    error = error_of_opening(broker.servers, **{"sasl.passwort": SECRET})
    assert "sasl.passwort" in error
    assert "correct the extra" in error


def test_a_broker_that_stands_still_for_a_while_loses_nothing(own: Topics) -> None:
    async def run() -> None:
        sink = own.sink("events")
        await sink.open(BEGINNING)
        await sink.deliver(batch_of(changes(1)))
        own.broker.freeze()
        try:
            delivery = asyncio.create_task(sink.deliver(batch_of(changes(2, 3, 4))))
            done, _ = await asyncio.wait([delivery], timeout=1)
            assert not done
        finally:
            own.broker.thaw()
        await delivery
        await sink.close()

    asyncio.run(run())
    assert sorted(message.seq for message in own.read()) == [1, 2, 3, 4]


def test_a_broker_that_stands_still_for_long_is_an_error_and_nothing_is_lost(own: Topics) -> None:
    async def run() -> None:
        sink = own.sink("events", patience=SHORT)
        await sink.open(BEGINNING)
        await delivered(sink, changes(1, 2, 3))
        stored = sink.position()
        own.broker.freeze()
        try:
            with pytest.raises(TargetError, match=r"no message was acknowledged within 1\.5 s"):
                await sink.deliver(batch_of(changes(4, 5, 6, 7)))
            assert sink.position() == stored
            await sink.close()
            with pytest.raises(TargetError, match=r"check bootstrap\.servers"):
                await sink.open(Checkpoint(StreamCursor({SYNC: 3}), stored))
        finally:
            own.broker.thaw()
        await delivered(sink, changes(4, 5, 6, 7))
        await sink.close()

    asyncio.run(run())
    read = own.read()
    assert sorted({message.seq for message in read}) == [1, 2, 3, 4, 5, 6, 7]
    for key in {message.key for message in read}:
        seen: dict[int, None] = {message.seq: None for message in read if message.key == key}
        assert list(seen) == sorted(seen)


def test_a_delivery_that_is_cancelled_ends_at_once_and_sends_nothing_later(own: Topics) -> None:
    async def run() -> None:
        sink = own.sink("events")
        await sink.open(BEGINNING)
        await sink.deliver(batch_of(changes(1)))
        own.broker.kill()
        delivery = asyncio.create_task(sink.deliver(batch_of(changes(2, 3))))
        await asyncio.wait([delivery], timeout=0.2)
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        own.broker.start()
        await sink.close()

    asyncio.run(run())
    threads = [thread.name for thread in threading.enumerate()]
    assert not [name for name in threads if name.startswith("kafka-orders")]
    assert own.read() == []


def test_a_broker_that_forgot_everything_gets_what_follows(own: Topics) -> None:
    """Its topics are gone, and it refuses the producer that was there before for ever."""

    async def run() -> None:
        sink = own.sink("events", patience=SHORT)
        await sink.open(BEGINNING)
        await delivered(sink, changes(1, 2, 3))
        own.broker.kill()
        own.broker.start()
        await delivered(sink, changes(4, 5, 6))
        await delivered(sink, changes(7))
        await sink.close()

    asyncio.run(run())
    assert sorted(message.seq for message in own.read()) == [4, 5, 6, 7]


def test_a_topic_that_is_deleted_meanwhile_is_created_again(own: Topics) -> None:
    async def run() -> None:
        sink = own.sink("events", patience=SHORT)
        await sink.open(BEGINNING)
        await delivered(sink, changes(1, 2, 3))
        (deleted,) = own.broker.admin.delete_topics([own.name()]).values()
        deleted.result()
        # This broker goes on to acknowledge messages for it.
        with pytest.raises(TargetError, match="was deleted or made anew"):
            await sink.deliver(batch_of(changes(4, 5)))
        await delivered(sink, changes(4, 5))
        await sink.close()

    asyncio.run(run())
    assert sorted(message.seq for message in own.read()) == [4, 5]


def test_more_messages_than_the_client_holds_are_sent(own: Topics) -> None:
    number = 3_000
    extra = {"queue.buffering.max.messages": 100}
    own.deliver(changes(*range(1, number + 1)), stream="events", extra=extra)
    assert sorted(message.seq for message in own.read()) == list(range(1, number + 1))
