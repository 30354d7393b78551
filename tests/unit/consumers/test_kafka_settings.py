"""Settings of kafka consumers and of their connections: wrong ones are named, secrets are not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from stripe_sync.consumers.consumer import ConsumerSpec
from stripe_sync.consumers.sink import TargetConnection
from stripe_sync.consumers.sinks.kafka import KafkaSettings
from stripe_sync.consumers.sinks.kafka.settings import (
    ClientSettings,
    every_collection,
    topic_name,
)
from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.selection import Stream

SERVERS = {"bootstrap.servers": "broker:9092"}


def client(extra: dict[str, Any] | None = None, **fields: Any) -> ClientSettings:
    return ClientSettings(TargetConnection("k", "kafka", extra=extra or SERVERS, **fields))


def declared(**settings: Any) -> ConsumerSpec:
    return ConsumerSpec.of(
        {"name": "orders", "kind": "kafka", "connection_id": "k", "settings": settings}
    )


def test_the_topic_of_every_collection_has_a_legal_name() -> None:
    names = {topic_name(KafkaSettings().topic, each) for each in every_collection()}
    assert "stripe.customer" in names
    assert "stripe.billing_portal.session" in names
    assert len(names) == len(every_collection())
    legal = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not [name for name in names if set(name) - legal or len(name) > 249]


@pytest.mark.parametrize(
    "topic", ["stripe:{collection}", "a b", "{sync}.x", "", "..", "ä{collection}", "x" * 250]
)
def test_a_template_of_illegal_names_is_refused(topic: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        declared(topic=topic)
    assert raised.value.param == "settings.topic"


@pytest.mark.parametrize("topic", ["{collection}", "shop", "a-b_C.{collection}.v1"])
def test_a_template_of_legal_names_is_taken(topic: str) -> None:
    assert declared(topic=topic).sink_settings() == KafkaSettings(topic=topic)


def test_a_template_whose_longest_name_is_too_long_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="249"):
        declared(topic="x" * 230 + "{collection}")


def test_partitions_of_topics_that_nobody_creates_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="create_topics"):
        declared(create_topics=False, partitions=3)


def test_tombstones_are_of_records() -> None:
    settings = KafkaSettings(tombstones=True)
    with pytest.raises(ConfigurationError) as raised:
        settings.check(Stream.EVENTS)
    assert raised.value.param == "settings.tombstones"
    settings.check(Stream.RECORDS)


def test_host_and_port_stand_for_missing_servers() -> None:
    assert client({"client.id": "x"}, host="kafka", port=9093).servers == "kafka:9093"
    assert client({"client.id": "x"}, host="kafka").servers == "kafka:9092"
    assert client(SERVERS, host="kafka").servers == "broker:9092"


@pytest.mark.parametrize("extra", [{"client.id": "x"}, {"bootstrap.servers": " "}])
def test_a_connection_without_servers_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"bootstrap\.servers"):
        client(extra)


def test_a_setting_that_is_no_text_is_refused_without_its_value() -> None:
    with pytest.raises(ConfigurationError, match=r"sasl\.password") as raised:
        client({**SERVERS, "sasl.password": {"secret": "geheim"}})
    assert "geheim" not in str(raised.value)


def test_a_user_sets_what_no_guarantee_rests_on() -> None:
    extra = {
        "compression.type": "gzip",
        "acks": "1",
        "retries": 0,
        "delivery.timeout.ms": 5,
        "enable.idempotence": False,
        "group.id": "mine",
        "error_cb": "package.function",
    }
    settings = client({**SERVERS, **extra}).producer(1_000_000)
    assert settings["compression.type"] == "gzip"
    assert (settings["acks"], settings["enable.idempotence"]) == ("all", True)
    assert not {"retries", "delivery.timeout.ms", "group.id", "error_cb"} & settings.keys()
    reader = client({**SERVERS, **extra}).consumer()
    assert "compression.type" not in reader
    assert reader["group.id"] == "stripe-sync"


def test_batches_are_as_small_as_the_topic_or_the_user_wants_them() -> None:
    assert client().producer(5_000)["batch.size"] == 5_000
    assert client({**SERVERS, "batch.size": "1000"}).producer(5_000)["batch.size"] == 1_000
    assert client({**SERVERS, "batch.size": "9000"}).producer(5_000)["batch.size"] == 5_000


def test_secrets_of_a_connection_are_not_in_texts_about_it() -> None:
    secrets = {
        "sasl.password": "geheim-1",
        "ssl.key.password": "geheim-2",
        "ssl.key.pem": "-----BEGIN-----geheim-3",
        "sasl.oauthbearer.client.secret": "geheim-4",
        "sasl.oauthbearer.config": "principal=geheim-5",
        "sasl.username": "stripe",
    }
    settings = client({**SERVERS, **secrets}, password="geheim-6")
    text = settings.scrub("failed:\n" + " ".join([*secrets.values(), "geheim-6"]))
    assert text == "failed: *** *** *** *** *** stripe ***"


def test_the_client_is_loaded_only_where_it_is_used() -> None:
    """It does not survive a fork, and a process that may fork imports the registry."""
    code = (
        "import sys, stripe_sync.consumers.registry, stripe_sync.consumers.supervisor;"
        "sys.exit('confluent_kafka' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
