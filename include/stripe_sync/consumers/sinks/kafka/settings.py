"""Settings of a kafka consumer, and those of librdkafka in its connection."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import Field, field_validator, model_validator

from stripe_sync.catalog import load_catalog
from stripe_sync.consumers.sink import SinkSettings, TargetConnection
from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.selection import Stream

MAX_TOPIC_NAME = 249
MAX_BATCH_BYTES = 1_000_000
"""Largest batch of messages: what a topic takes unless it is set otherwise."""

_COLLECTION = "{collection}"
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")
_PORT = 9092
_MAX_MESSAGE_BYTES = 10_000_000

# What a user may set otherwise, in the connection's extra.
_DEFAULTS: dict[str, Any] = {
    "client.id": "stripe-sync",
    "log_level": 2,  # what fails is in the consumer's last error
    "socket.connection.setup.timeout.ms": 5_000,
    "socket.keepalive.enable": True,
}
_PRODUCER_DEFAULTS = {
    "compression.type": "zstd",
    "message.max.bytes": _MAX_MESSAGE_BYTES,
    "partitioner": "murmur2_random",  # that of Java's clients
}

# What the guarantees rest on. A message never times out by itself: one that did could be followed
# by later ones of its key.
_PRODUCER = {
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": 0,
    "allow.auto.create.topics": False,
}
_CONSUMER = {
    "group.id": "stripe-sync",  # librdkafka wants one; nothing joins it
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 10,
    "isolation.level": "read_uncommitted",
    "allow.auto.create.topics": False,
}

# Other names of those, what contradicts them, and what is of readers in a group.
_NOT_FROM_EXTRA = (
    _PRODUCER.keys()
    | _CONSUMER.keys()
    | {
        "request.required.acks",
        "delivery.timeout.ms",
        "retries",
        "message.send.max.retries",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "transactional.id",
        "transaction.timeout.ms",
        "group.instance.id",
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "max.poll.interval.ms",
        "partition.assignment.strategy",
        "on_delivery",
        "on_commit",
        "logger",
    }
)
_SECRET = re.compile(r"password|secret|key|pem|token|jaas|credential|oauthbearer\.config")
_ONLY_PRODUCER = re.compile(
    r"batch\.|compression\.|linger\.|message\.max|partitioner|queue\.buffering|sticky\.|delivery\."
)


class KafkaSettings(SinkSettings):
    """Settings of a kafka consumer.

    Attributes:
        topic: Name of the topics; ``{collection}`` stands for ``customer``.
        tombstones: Whether a deleted record is a message without a value.
        create_topics: Whether missing topics are created.
        partitions: Partitions of topics that are created; None for the broker's default.
        replication_factor: Copies of topics that are created; None for the broker's default.
    """

    topic: str = "stripe." + _COLLECTION
    tombstones: bool = False
    create_topics: bool = True
    partitions: int | None = Field(default=None, ge=1, le=10_000)
    replication_factor: int | None = Field(default=None, ge=1, le=100)

    @field_validator("topic")
    @classmethod
    def _is_legal(cls, template: str) -> str:
        rest = template.replace(_COLLECTION, "")
        names = [topic_name(template, collection) for collection in every_collection()]
        if (rest and not _LEGAL.fullmatch(rest)) or names[0] in ("", ".", ".."):
            message = "a topic's name has letters, digits, '.', '_', '-', and here {collection}"
            raise ValueError(message)
        if max(map(len, names)) > MAX_TOPIC_NAME:
            message = f"a topic's name has at most {MAX_TOPIC_NAME} characters"
            raise ValueError(message)
        return template

    @model_validator(mode="after")
    def _creates_what_it_describes(self) -> KafkaSettings:
        if not self.create_topics and (self.partitions or self.replication_factor):
            message = "partitions and replication_factor are of topics that create_topics creates"
            raise ValueError(message)
        return self

    def check(self, stream: Stream) -> None:
        """See ``SinkSettings``."""
        if self.tombstones and stream != Stream.RECORDS:
            message = "settings.tombstones: they are of records; a change event has none"
            raise ConfigurationError(message, param="settings.tombstones")


@cache
def every_collection() -> tuple[str, ...]:
    """Ids of all collections, those that a sync stores only on request among them."""
    parents = load_catalog().parent_only.values()
    return tuple(load_catalog(include_parents=tuple(parent.name for parent in parents)))


def topic_name(template: str, collection_id: str) -> str:
    """The topic of a collection: ``stripe.customer`` of ``stripe:customer``."""
    return template.replace(_COLLECTION, collection_id.partition(":")[2])


class ClientSettings:
    """Settings of librdkafka's clients.

    Args:
        connection: Its extra holds settings of librdkafka, as that of Airflow's Kafka provider
            does; host and port are used where ``bootstrap.servers`` is not among them.

    Raises:
        ConfigurationError: It names no server, or a setting is none of librdkafka's.
    """

    def __init__(self, connection: TargetConnection) -> None:
        extra = dict(connection.extra)
        if not extra.get("bootstrap.servers") and connection.host:
            extra["bootstrap.servers"] = f"{connection.host}:{connection.port or _PORT}"
        self.servers = extra.get("bootstrap.servers") or ""
        if not isinstance(self.servers, str) or not self.servers.strip():
            message = f"connection {connection.id}: its extra needs bootstrap.servers, 'host:9092'"
            raise ConfigurationError(message, param="connection_id")
        for name, value in extra.items():
            if not isinstance(value, str | int | float):
                message = (
                    f"connection {connection.id}: {name} in its extra is neither text nor number"
                )
                raise ConfigurationError(message, param="connection_id")
        self._common: dict[str, Any] = _DEFAULTS | {
            name: value
            for name, value in extra.items()
            if name not in _NOT_FROM_EXTRA and not name.endswith("_cb")
        }
        self._secrets = sorted(
            {
                str(value)
                for name, value in [*extra.items(), ("password", connection.password or "")]
                if _SECRET.search(name) and len(str(value)) > 2  # noqa: PLR2004
            },
            key=len,
            reverse=True,
        )

    @property
    def max_message_bytes(self) -> int:
        """Largest message, before compression."""
        return int(self._common.get("message.max.bytes", _MAX_MESSAGE_BYTES))

    def admin(self) -> dict[str, Any]:
        """Settings of an AdminClient."""
        return self._without_producer()

    def consumer(self) -> dict[str, Any]:
        """Settings of a Consumer that joins no group."""
        return self._without_producer() | _CONSUMER

    def producer(self, batch_bytes: int) -> dict[str, Any]:
        """Settings of a Producer.

        Args:
            batch_bytes: Largest batch of several messages.
        """
        settings: dict[str, Any] = _PRODUCER_DEFAULTS | self._common | _PRODUCER
        settings["batch.size"] = min(batch_bytes, int(settings.get("batch.size", batch_bytes)))
        return settings

    def scrub(self, text: str) -> str:
        """A text in one line without the secrets of the connection."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    def _without_producer(self) -> dict[str, Any]:
        return {
            name: value for name, value in self._common.items() if not _ONLY_PRODUCER.match(name)
        }
