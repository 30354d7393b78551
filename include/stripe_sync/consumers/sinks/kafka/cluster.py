"""A Kafka cluster: its clients, and what went wrong with them in a sentence."""

from __future__ import annotations

import time
from threading import Event
from typing import TYPE_CHECKING, Any

from stripe_sync.consumers.sink import TargetError
from stripe_sync.consumers.sinks.kafka.settings import ClientSettings

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import AdminClient, ClusterMetadata

_SLICE_SECONDS = 1.0
_CONNECT_SECONDS = 10.0

_REACH = "check bootstrap.servers, and that the listeners that the brokers advertise can be reached"
_LOGIN = (
    "check security.protocol, sasl.mechanism, sasl.username and sasl.password in the extra of the"
    " connection"
)
_TLS = (
    "check security.protocol, ssl.ca.location and the certificates in the extra of the connection"
)
_ACLS = (
    "grant the user Write and Describe on the topics, with kafka-acls --add --operation Write"
    " --operation Describe --topic NAME; Read lets it skip what they have after a crash"
)
_GONE = "the topic was deleted, or is not ready; it is looked for again"
_REMEDIES = {
    "_TRANSPORT": _REACH,
    "_RESOLVE": _REACH,
    "_ALL_BROKERS_DOWN": _REACH,
    "_TIMED_OUT": _REACH,
    "_AUTHENTICATION": _LOGIN,
    "SASL_AUTHENTICATION_FAILED": _LOGIN,
    "UNSUPPORTED_SASL_MECHANISM": _LOGIN,
    "ILLEGAL_SASL_STATE": _LOGIN,
    "_SSL": _TLS,
    "TOPIC_AUTHORIZATION_FAILED": _ACLS,
    "CLUSTER_AUTHORIZATION_FAILED": "grant the user IdempotentWrite on the cluster",
    "_UNKNOWN_TOPIC": _GONE,
    "_UNKNOWN_PARTITION": _GONE,
    "UNKNOWN_TOPIC_OR_PART": _GONE,
    "_INVALID_ARG": "correct the extra of the connection",
}
# Waiting for these is of no use, and what follows from them says less.
_CAUSES = ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "_SSL")


class Cluster:
    """Makes clients, and remembers what they reported. Its calls block.

    Args:
        settings: Settings of the clients.
        patience: Seconds to wait for an answer.

    Attributes:
        stop: Set by another thread: a call that waits ends soon.
        reported: The error that a client reported last.
    """

    def __init__(self, settings: ClientSettings, patience: float) -> None:
        self.settings = settings
        self.patience = patience
        self.stop = Event()
        self.reported: KafkaError | None = None
        self._is_down = False
        self._admin: AdminClient | None = None

    @property
    def admin(self) -> AdminClient:
        """The one client for everything but messages."""
        from confluent_kafka.admin import AdminClient

        if self._admin is None:
            self._admin = self._make(AdminClient, self.settings.admin())
        return self._admin

    def consumer(self) -> Consumer:
        """A new reader."""
        from confluent_kafka import Consumer

        consumer: Consumer = self._make(Consumer, self.settings.consumer())
        return consumer

    def producer(self, batch_bytes: int) -> Producer:
        """A new producer whose batches have at most so many bytes."""
        from confluent_kafka import Producer

        producer: Producer = self._make(Producer, self.settings.producer(batch_bytes))
        return producer

    def metadata(self) -> ClusterMetadata:
        """All topics. One is never asked for by its name: that creates it on some brokers.

        Raises:
            TargetError: The cluster does not answer, or refuses the connection.
        """
        from confluent_kafka import KafkaException

        self.reported, self._is_down = None, False
        until = time.monotonic() + min(self.patience, _CONNECT_SECONDS)
        while True:
            try:
                return self.admin.list_topics(timeout=_SLICE_SECONDS)
            except KafkaException as error:
                self.admin.poll(0)
                self.check_stop()
                if self._is_down or self.is_hopeless or time.monotonic() >= until:
                    raise self.failure(error.args[0]) from None

    def check_stop(self) -> None:
        """End a call that is no longer wanted.

        Raises:
            TargetError: It is not.
        """
        if self.stop.is_set():
            message = "the delivery was stopped"
            raise TargetError(message)

    @property
    def is_hopeless(self) -> bool:
        """Whether something was reported for which waiting is of no use."""
        return self.reported is not None and self.reported.name() in _CAUSES

    def failure(self, error: KafkaError | str) -> TargetError:
        """What is raised for an error: cause and remedy, without secrets."""
        if isinstance(error, str):
            name, text = "_TIMED_OUT", error
        else:
            name, text = error.name(), error.str()
        if self.reported is not None and (self.is_hopeless or _REMEDIES.get(name) == _REACH):
            name, text = self.reported.name(), self.reported.str()
        remedy = _REMEDIES.get(name)
        text = self.settings.scrub(text)[:500]
        return TargetError(
            f"Kafka at {self.settings.servers}: {text}" + (f": {remedy}" if remedy else "")
        )

    def forget(self) -> None:
        """Let go of the client."""
        self._admin = None

    def _make(self, kind: Any, settings: dict[str, Any]) -> Any:
        from confluent_kafka import KafkaException

        try:
            return kind({**settings, "error_cb": self._report})
        except KafkaException as error:
            raise self.failure(error.args[0]) from None
        except (TypeError, ValueError) as error:
            raise self.failure(str(error)) from None

    def _report(self, error: KafkaError) -> None:
        """Called by a client in one of the calls above or below."""
        if error.name() == "_ALL_BROKERS_DOWN":
            self._is_down = True
        elif not self.is_hopeless:
            self.reported = error
