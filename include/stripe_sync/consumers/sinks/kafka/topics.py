"""The topics that a consumer writes to: found, or created."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from stripe_sync.consumers.sink import TargetError
from stripe_sync.consumers.sinks.kafka.cluster import Cluster
from stripe_sync.consumers.sinks.kafka.settings import MAX_BATCH_BYTES, KafkaSettings
from stripe_sync.streams.selection import Stream

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_ANSWER_SECONDS = 0.1
_CREATE_SECONDS = 10.0
_DESCRIBE_SECONDS = 2.0  # some servers never answer, and there is a way without

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is now.

    Attributes:
        id: Its id, another one if it is made anew; None if the broker has none.
        partitions: Numbers of its partitions.
        max_bytes: Largest batch after compression; None where it may not be read.
    """

    id: str | None
    partitions: tuple[int, ...]
    max_bytes: int | None

    @property
    def batch_bytes(self) -> int:
        """Largest batch that it takes for sure."""
        return min(MAX_BATCH_BYTES, self.max_bytes or MAX_BATCH_BYTES)


class Topics:
    """Looks topics up once, and creates what is missing. Its calls block.

    Args:
        cluster: Where they are.
        settings: Whether and how they are created.
        stream: What they hold.
    """

    def __init__(self, cluster: Cluster, settings: KafkaSettings, stream: Stream) -> None:
        self._cluster = cluster
        self._settings = settings
        self._config = {"cleanup.policy": "compact"} if stream == Stream.RECORDS else {}
        self._known: dict[str, Topic] = {}

    def existing(self, names: Iterable[str]) -> Mapping[str, Topic]:
        """Those of the topics that are there now.

        Raises:
            TargetError: The cluster does not answer.
        """
        found = self._cluster.metadata().topics
        names = set(names)
        for name in names:
            self._known.pop(name, None)
        partitions = {
            name: tuple(topic.partitions)
            for name, topic in found.items()
            if name in names and topic.error is None
        }
        self._describe(partitions)
        return {name: self._known[name] for name in partitions}

    def ensured(self, names: Iterable[str]) -> Mapping[str, Topic]:
        """The topics, created where they are missing.

        Raises:
            TargetError: One is missing and may not be created, or the cluster does not answer.
        """
        names = set(names)
        if unknown := names - self._known.keys():
            missing = unknown - self.existing(unknown).keys()
            if missing:
                self._create(missing)
        return {name: self._known[name] for name in names}

    def command(self, name: str) -> str:
        """What creates a topic in a shell."""
        words = ["kafka-topics", "--bootstrap-server", self._cluster.settings.servers]
        words += ["--create", "--topic", name]
        if self._settings.partitions:
            words += ["--partitions", str(self._settings.partitions)]
        if self._settings.replication_factor:
            words += ["--replication-factor", str(self._settings.replication_factor)]
        for key, value in self._config.items():
            words += ["--config", f"{key}={value}"]
        return " ".join(words)

    def _create(self, names: set[str]) -> None:
        from confluent_kafka.admin import NewTopic

        if not self._settings.create_topics:
            name = min(names)
            message = f"there is no topic {name}: {self.command(name)}"
            raise TargetError(message)
        new = [
            NewTopic(
                name,
                num_partitions=self._settings.partitions or -1,
                replication_factor=self._settings.replication_factor or -1,
                config=self._config,
            )
            for name in sorted(names)
        ]
        seconds = min(self._cluster.patience, _CREATE_SECONDS)
        futures = self._cluster.admin.create_topics(
            new, operation_timeout=seconds, request_timeout=seconds
        )
        for name, future in futures.items():
            error = self._error_of(future)
            if error is not None and error.name() != "TOPIC_ALREADY_EXISTS":
                text = self._cluster.settings.scrub(error.str())
                message = f"topic {name} could not be created: {text}. {self.command(name)}"
                raise TargetError(message)
        self._await(names)

    def _await(self, names: set[str]) -> None:
        """Brokers hear of a new topic a little later than the one that creates it."""
        until = time.monotonic() + self._cluster.patience
        while names - self.existing(names).keys():
            if time.monotonic() >= until:
                name = min(names - self._known.keys())
                message = f"topic {name} was created and did not become ready"
                raise TargetError(message)
            time.sleep(_ANSWER_SECONDS)

    def _describe(self, partitions: Mapping[str, tuple[int, ...]]) -> None:
        if not partitions:
            return
        # Both are asked for before either is waited for.
        described, configured = self._ids(partitions), self._limits(partitions)
        ids, limits = dict(described), dict(configured)
        for name, numbers in partitions.items():
            self._known[name] = Topic(ids.get(name), numbers, limits.get(name))

    def _ids(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Ids of topics, without those that the broker does not give."""
        from confluent_kafka import TopicCollection

        futures = self._cluster.admin.describe_topics(
            TopicCollection(list(names)), request_timeout=_DESCRIBE_SECONDS
        )
        return (
            (name, str(topic.topic_id))
            for name, topic in self._values(futures)
            if topic.topic_id is not None
        )

    def _limits(self, names: Iterable[str]) -> Iterator[tuple[str, int]]:
        """``max.message.bytes`` of topics, without those where it may not be read."""
        from confluent_kafka.admin import ConfigResource, ResourceType

        wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        futures = self._cluster.admin.describe_configs(wanted, request_timeout=_DESCRIBE_SECONDS)
        return (
            (resource.name, int(config["max.message.bytes"].value))
            for resource, config in self._values(futures)
            if str(getattr(config.get("max.message.bytes"), "value", "")).isdigit()
        )

    def _values(self, futures: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
        """Answers, without those that are errors."""
        for asked, future in futures.items():
            if self._error_of(future) is None:
                yield asked, future.result()

    @staticmethod
    def _error_of(future: Any) -> KafkaError | None:
        from confluent_kafka import KafkaException

        try:
            future.result()
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            return failure
        return None
