"""The sink: what the delivery calls, in one thread of its own for each consumer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import ClassVar, ParamSpec, Self, TypeVar, cast

from stripe_sync.consumers.sink import (
    Checkpoint,
    DeliveryBatch,
    ItemFailure,
    Outcome,
    SinkContext,
    SinkSettings,
    TargetError,
)
from stripe_sync.consumers.sinks.kafka.cluster import Cluster
from stripe_sync.consumers.sinks.kafka.messages import Message, message_of
from stripe_sync.consumers.sinks.kafka.producer import BatchProducer
from stripe_sync.consumers.sinks.kafka.resume import (
    KnownItems,
    Offsets,
    Position,
    ends_of,
    read_since,
)
from stripe_sync.consumers.sinks.kafka.settings import (
    MAX_BATCH_BYTES,
    ClientSettings,
    KafkaSettings,
    every_collection,
    topic_name,
)
from stripe_sync.consumers.sinks.kafka.topics import Topic, Topics
from stripe_sync.errors import ConfigurationError
from stripe_sync.records.canonical_json import JsonObject

_PATIENCE_SECONDS = 30.0
_CLOSE_SECONDS = 5.0

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class KafkaSink:
    """Delivers to topics of Kafka.

    Args:
        settings: Its settings.
        client: Settings of librdkafka.
        context: Its consumer.
        patience: Seconds to wait for an answer of the cluster.
    """

    Settings: ClassVar[type[SinkSettings]] = KafkaSettings
    needs_connection: ClassVar[bool] = True
    keeps_cursor: ClassVar[bool] = False
    longest_wait: ClassVar[timedelta] = timedelta(minutes=1)
    gives_up_after: ClassVar[timedelta | None] = None

    def __init__(
        self,
        settings: KafkaSettings,
        client: ClientSettings,
        context: SinkContext,
        *,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._context = context
        self._client = client
        self._patience = patience
        self._writer: _Writer | None = None
        # A thread of its own: the default ones are few, and a dead cluster keeps one for long.
        self._thread: ThreadPoolExecutor | None = None
        self._position: JsonObject | None = None

    @classmethod
    def of(cls, settings: SinkSettings, context: SinkContext) -> Self:
        """See ``Sink``."""
        kafka = cast("KafkaSettings", settings)
        if context.connection is None:
            message = "connection_id: name the Airflow connection of the Kafka cluster"
            raise ConfigurationError(message, param="connection_id")
        return cls(kafka, ClientSettings(context.connection), context)

    async def open(self, checkpoint: Checkpoint) -> Checkpoint:
        """See ``Sink``."""
        await self.close()
        self._thread = ThreadPoolExecutor(1, f"kafka-{self._context.consumer}")
        self._writer = writer = _Writer(
            Cluster(self._client, self._patience), self._settings, self._context
        )
        self._position = await self._run(writer.open, checkpoint)
        return Checkpoint(checkpoint.cursor, self._position)

    async def deliver(self, batch: DeliveryBatch) -> Outcome:
        """See ``Sink``."""
        writer = self._writer
        if writer is None:
            # What the topics have of a batch that failed is known only to them.
            await self.open(Checkpoint(batch.start, self._position))
            return await self.deliver(batch)
        self._position, outcome = await self._run(writer.deliver, batch)
        return outcome

    def position(self) -> JsonObject | None:
        """See ``Sink``."""
        return self._position

    async def close(self) -> None:
        """See ``Sink``."""
        writer, thread = self._writer, self._thread
        self._writer = self._thread = None
        if writer is None or thread is None:
            return
        writer.stop()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(loop.run_in_executor(thread, writer.close), _CLOSE_SECONDS)
        thread.shutdown(wait=False)

    async def _run(
        self,
        call: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))
        except BaseException:
            await self.close()
            raise


class _Writer:
    """One connection to the topics, from opening to the first error. Its calls block."""

    def __init__(self, cluster: Cluster, settings: KafkaSettings, context: SinkContext) -> None:
        self._cluster = cluster
        self._settings = settings
        self._selection = context.selection
        self._topics = Topics(cluster, settings, context.selection.stream)
        self._producer = BatchProducer(cluster)
        self._position = Position(settings.topic)
        self._known = KnownItems()
        self._ahead: Offsets = {}  # next offsets that are not in the position yet

    def open(self, checkpoint: Checkpoint) -> JsonObject:
        """Find out what the topics have; returns the position."""
        collections = self._selection.collections or every_collection()
        names = {topic_name(self._settings.topic, collection) for collection in collections}
        topics = self._topics.existing(names)
        stored = Position.parse(checkpoint.position, self._settings.topic)
        if stored is None:
            self._position = ends_of(self._cluster, topics, self._settings.topic)
        else:
            self._position = stored
            stored.match(topics)
            self._known, self._ahead = read_since(self._cluster, topics, stored, checkpoint.cursor)
        self._start(topics.values())
        return self._position.json()

    def deliver(self, batch: DeliveryBatch) -> tuple[JsonObject, Outcome]:
        """Send what the topics lack; returns the position and what became of the items."""
        messages = [message_of(item, self._settings) for item in batch.items]
        topics = self._topics.ensured({message.topic for message in messages})
        self._position.match(topics)
        self._start(topics.values())
        sent = self._producer.send(self._known.missing(messages))
        self._check_growth(sent.first)
        self._ahead |= sent.next
        self._known.forget(batch.end)
        # As long as something is known, a crash must find it again.
        if not self._known:
            self._position.next |= self._ahead
            self._ahead = {}
        failed = {
            message.item: self._too_large(message, topics[message.topic])
            for message in sent.refused
        }
        return self._position.json(), Outcome(failed=failed)

    def stop(self) -> None:
        """Called in another thread: end what waits."""
        self._cluster.stop.set()

    def close(self) -> None:
        """Let go of the cluster."""
        self._producer.close()
        self._cluster.forget()

    def _start(self, topics: Iterable[Topic]) -> None:
        limits = [topic.batch_bytes for topic in topics]
        self._producer.start(
            min([*limits, MAX_BATCH_BYTES, self._cluster.settings.max_message_bytes])
        )

    def _check_growth(self, first: Offsets) -> None:
        """Brokers go on taking messages for a topic while it is deleted, or made anew."""
        for (name, partition), offset in first.items():
            if offset < self._position.next.get((name, partition), 0):
                message = (
                    f"topic {name} was deleted or made anew, or lost messages: the batch is"
                    " delivered again to what it is now"
                )
                raise TargetError(message)

    def _too_large(self, message: Message, topic: Topic) -> ItemFailure:
        client = self._cluster.settings.max_message_bytes
        if message.size > client:
            limit = f"message.max.bytes in the connection's extra is {client:,}"
        else:
            known = f" is {topic.max_bytes:,}" if topic.max_bytes else " is less"
            limit = f"max.message.bytes of topic {message.topic}{known}"
        text = f"the message has {message.size:,} bytes and is too large: {limit}; raise it"
        return ItemFailure(text, is_final=True)
