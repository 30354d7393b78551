"""Sends messages, and returns when the topics have all of them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from stripe_sync.consumers.sink import TargetError
from stripe_sync.consumers.sinks.kafka.cluster import Cluster
from stripe_sync.consumers.sinks.kafka.messages import Message
from stripe_sync.consumers.sinks.kafka.resume import Offsets
from stripe_sync.consumers.sinks.kafka.settings import MAX_BATCH_BYTES

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer
    from confluent_kafka import Message as KafkaMessage

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.5
_FULL_SECONDS = 0.1
_CLOSE_SECONDS = 1.0

_TOO_LARGE = ("MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_MSG_SIZE")


@dataclass(slots=True)
class Sent:
    """What became of messages. Those that were not refused are in their topics.

    Attributes:
        first: Lowest offset of them in each partition.
        next: Next offsets after them.
        refused: Those that are too large.
    """

    first: Offsets = field(default_factory=dict)
    next: Offsets = field(default_factory=dict)
    refused: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    """Messages that are sent at once, and the answers."""

    messages: Sequence[Message]
    answers: int = 0
    failed: dict[int, KafkaError] = field(default_factory=dict)


class BatchProducer:
    """An idempotent producer. After an error it starts with a new one. Its calls block.

    Args:
        cluster: Where to.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producer: Producer | None = None
        self._batch_bytes = MAX_BATCH_BYTES

    def start(self, batch_bytes: int) -> Producer:
        """Be ready to send; a new producer takes half a second for its first message.

        Args:
            batch_bytes: Largest batch that each of the topics takes.

        Returns:
            The producer.

        Raises:
            TargetError: A setting of the connection is wrong.
        """
        if batch_bytes < self._batch_bytes:
            self.close()
            self._batch_bytes = batch_bytes
        if self._producer is None:
            self._producer = self._cluster.producer(self._batch_bytes)
        return self._producer

    def send(self, messages: Sequence[Message]) -> Sent:
        """Send messages, those of a key in their order.

        Raises:
            TargetError: Some may not be in their topics. Nothing is under way any longer.
        """
        sent = Sent()
        self._cluster.reported = None
        fatal: object = None
        try:
            for run in self._runs(messages):
                self._send(run, sent)
        except TargetError:
            self.close()
            raise
        except:  # noqa: E722 - a fatal error of the client is raised and is no BaseException
            fatal = sys.exc_info()[1]
        if fatal is not None:
            self.close()
            raise self._fatal(fatal)
        return sent

    def close(self) -> None:
        """Drop what was not sent, and the producer."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # Its destructor would wait for what is in flight.
        try:
            producer.purge()
            producer.flush(_CLOSE_SECONDS)
        except:  # noqa: E722 - as in send
            log.debug("the producer failed while it was closed")

    def _fatal(self, error: object) -> BaseException:
        """What is raised for an error that the client raised, or that is none of the client."""
        from confluent_kafka import KafkaError, KafkaException

        if isinstance(error, SystemError):  # a callback ran after the client had raised
            error = error.__cause__ or error.__context__ or error
        if isinstance(error, KafkaException):
            error = error.args[0]
        if isinstance(error, KafkaError):
            return self._cluster.failure(error)
        if isinstance(error, SystemError):
            return self._cluster.failure("the producer failed")
        return error if isinstance(error, BaseException) else TargetError(repr(error))

    def _runs(self, messages: Sequence[Message]) -> Iterator[_Run]:
        """A message that may be too large goes alone: a refused batch is refused as a whole."""
        run: list[Message] = []
        for message in messages:
            if message.size < self._batch_bytes:
                run.append(message)
                continue
            if run:
                yield _Run(run)
            yield _Run([message])
            run = []
        if run:
            yield _Run(run)

    def _send(self, run: _Run, sent: Sent) -> None:
        producer = self.start(self._batch_bytes)
        self._produce(producer, run, sent)
        self._flush(producer, run)
        if not run.failed:
            return
        error = next(iter(run.failed.values()))
        if error.name() not in _TOO_LARGE:
            raise self._cluster.failure(error)
        if len(run.messages) > 1:
            message = (
                f"Kafka at {self._cluster.settings.servers}: topic {run.messages[0].topic} refuses"
                f" batches of {self._batch_bytes:,} bytes: set batch.size in the connection's extra"
                " below the topic's max.message.bytes, or grant DescribeConfigs on the topic"
            )
            raise TargetError(message)
        # The refused one left a gap in the numbers by which the broker tells repeated messages.
        self.close()
        sent.refused.append(run.messages[0])

    def _produce(self, producer: Producer, run: _Run, sent: Sent) -> None:
        from confluent_kafka import KafkaException

        progress = _Progress(self._cluster)
        for index, message in enumerate(run.messages):
            on_delivery = partial(_answered, run, sent, index)
            while True:
                try:
                    producer.produce(
                        message.topic,
                        key=message.key,
                        value=message.value,
                        headers=message.headers,
                        on_delivery=on_delivery,
                    )
                except BufferError:
                    producer.poll(_FULL_SECONDS)
                    progress.check(run.answers)
                except KafkaException as error:
                    run.failed[index] = error.args[0]
                    return
                else:
                    break

    def _flush(self, producer: Producer, run: _Run) -> None:
        progress = _Progress(self._cluster)
        while producer.flush(_FLUSH_SECONDS) and not run.failed:
            progress.check(run.answers)
        if run.answers < len(run.messages) and not run.failed:
            message = "messages were lost on their way to the broker"
            raise self._cluster.failure(message)


class _Progress:
    """Ends a wait in which nothing happens."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._answers = -1
        self._since = time.monotonic()

    def check(self, answers: int) -> None:
        if answers != self._answers:
            self._answers, self._since = answers, time.monotonic()
        self._cluster.check_stop()
        waited = time.monotonic() - self._since
        if waited > self._cluster.patience or self._cluster.is_hopeless:
            message = f"no message was acknowledged within {self._cluster.patience:g} s"
            raise self._cluster.failure(message)


def _answered(
    run: _Run, sent: Sent, index: int, error: KafkaError | None, message: KafkaMessage
) -> None:
    """Called by the producer for each message."""
    run.answers += 1
    if error is not None:
        run.failed[index] = error
        return
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    # One that the broker had already has no offset.
    if topic is not None and partition is not None and offset is not None and offset >= 0:
        place = (topic, partition)
        sent.first[place] = min(sent.first.get(place, offset), offset)
        sent.next[place] = max(sent.next.get(place, 0), offset + 1)
