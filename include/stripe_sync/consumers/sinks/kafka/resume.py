"""Where a consumer goes on after a crash: how far the topics were known, and what they have since.

Beside the cursor, the next offset of each partition after the last whole batch is stored. What
topics have from there on are items that were sent and whose cursor was not stored. The last message
of each partition would not do: one partition may have a later item while another lost an earlier.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stripe_sync.consumers.sinks.kafka.cluster import Cluster
from stripe_sync.consumers.sinks.kafka.messages import Message
from stripe_sync.consumers.sinks.kafka.topics import Topic
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import ItemKey

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    from confluent_kafka import Message as KafkaMessage

log = logging.getLogger(__name__)

MAX_IDS = 100_000
"""Most ids that are kept; more come only where others write to the same topics."""

_TAIL_SECONDS = 60.0
_POLL_SECONDS = 0.5
# The client tries again, or does not need it: nothing joins the group.
_PASSING = ("_ALL_BROKERS_DOWN", "_TRANSPORT", "GROUP_AUTHORIZATION_FAILED")

Offsets = dict[tuple[str, int], int]
"""Next offset by topic and partition."""


@dataclass(slots=True)
class Position:
    """The next offsets after the last whole batch.

    A topic or partition that it lacks came later: all that it has came later, too.

    Attributes:
        template: The setting ``topic``; with another one a position says nothing.
        ids: Topics, with their ids; None if the broker has none.
        next: Next offsets.
    """

    template: str
    ids: dict[str, str | None] = field(default_factory=dict)
    next: Offsets = field(default_factory=dict)

    @classmethod
    def parse(cls, stored: JsonObject | None, template: str) -> Position | None:
        """A stored one; None if it says nothing."""
        if stored is None or stored.get("template") != template:
            return None
        position = cls(template)
        for name, topic in stored["topics"].items():
            position.ids[name] = topic["id"]
            for partition, offset in topic["next"].items():
                position.next[name, int(partition)] = offset
        return position

    def json(self) -> JsonObject:
        """What is stored."""
        topics: dict[str, Any] = {name: {"id": id_, "next": {}} for name, id_ in self.ids.items()}
        for (name, partition), offset in self.next.items():
            topics[name]["next"][str(partition)] = offset
        return {"template": self.template, "topics": topics}

    def match(self, topics: Mapping[str, Topic]) -> None:
        """Forget topics that were made anew, and learn those that are new."""
        for name, topic in topics.items():
            known = self.ids.get(name)
            if known is not None and topic.id not in (None, known):
                log.warning(
                    "topic %s was made anew: it lacks what was delivered before;"
                    " 'stripe-sync consumers replay' delivers it again",
                    name,
                )
                self.next = {key: offset for key, offset in self.next.items() if key[0] != name}
                known = None
            self.ids[name] = known if known is not None else topic.id


class KnownItems:
    """Items after the cursor that the topics have."""

    def __init__(self, ids: dict[str, ItemKey] | None = None) -> None:
        self._ids = ids or {}

    def __len__(self) -> int:
        return len(self._ids)

    def missing(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Those that are to be sent.

        What follows a missing one of its key is sent again, so that the key ends as it should.
        """
        if not self._ids:
            return messages
        incomplete: set[bytes] = set()
        missing = []
        for message in messages:
            if message.id not in self._ids or message.key in incomplete:
                incomplete.add(message.key)
                missing.append(message)
        return missing

    def forget(self, cursor: StreamCursor) -> None:
        """Forget what a cursor has passed."""
        if self._ids:
            self._ids = {
                name: (sync, seq)
                for name, (sync, seq) in self._ids.items()
                if seq > cursor.positions.get(sync, 0)
            }


def ends_of(cluster: Cluster, topics: Mapping[str, Topic], template: str) -> Position:
    """The ends of topics as they are now.

    Raises:
        TargetError: The cluster does not answer, or does not let this user describe a topic.
    """
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import OffsetSpec

    position = Position(template, {name: topic.id for name, topic in topics.items()})
    wanted = {
        TopicPartition(name, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
        for name, topic in topics.items()
        for partition in topic.partitions
    }
    if not wanted:
        return position
    futures = cluster.admin.list_offsets(wanted, request_timeout=cluster.patience)
    try:
        for place, future in futures.items():
            position.next[place.topic, place.partition] = future.result().offset
    except KafkaException as error:
        raise cluster.failure(error.args[0]) from None
    return position


def read_since(
    cluster: Cluster, topics: Mapping[str, Topic], position: Position, cursor: StreamCursor
) -> tuple[KnownItems, Offsets]:
    """The items after a cursor that topics have from a position on, and the topics' ends.

    Raises:
        TargetError: The cluster does not answer, or does not let this user read a topic.
    """
    from confluent_kafka import TopicPartition

    starts = [
        TopicPartition(name, partition, position.next.get((name, partition), 0))
        for name, topic in topics.items()
        for partition in topic.partitions
    ]
    if not starts:
        return KnownItems(), {}
    cluster.reported = None
    consumer = cluster.consumer()
    try:
        consumer.assign(starts)
        return _collect(_Tail(cluster, consumer, starts).messages(), cursor)
    finally:
        consumer.close()


def _collect(messages: Iterable[KafkaMessage], cursor: StreamCursor) -> tuple[KnownItems, Offsets]:
    ids: dict[str, ItemKey] = {}
    ends: Offsets = {}
    for message in messages:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            continue
        ends[topic, partition] = offset + 1
        found = _item_of(message)
        if found is None:
            continue
        name, (sync, seq) = found
        if seq > cursor.positions.get(sync, 0):
            ids[name] = (sync, seq)
        if len(ids) >= MAX_IDS:
            log.warning(
                "the topics have more than %d items after the cursor: some may come twice", MAX_IDS
            )
            break
    return KnownItems(ids), ends


class _Tail:
    """Reads partitions to their ends.

    The end is where the broker says so: a high watermark may count markers of transactions, which
    are never delivered.
    """

    def __init__(
        self, cluster: Cluster, consumer: Consumer, starts: Sequence[TopicPartition]
    ) -> None:
        self._cluster = cluster
        self._consumer = consumer
        # Not a number: one whose end moves on reports it again.
        self._open = {(start.topic, start.partition) for start in starts}

    def messages(self) -> Iterable[KafkaMessage]:
        now = progress = began = time.monotonic()
        while self._open:
            self._cluster.check_stop()
            message = self._consumer.poll(_POLL_SECONDS)
            now = time.monotonic()
            if message is None:
                self._check(now - progress)
                continue
            error = message.error()
            if error is None:
                yield message
            else:
                self._handle(error, message)
            progress = now
            if now - began > _TAIL_SECONDS:
                log.warning("the ends of the topics were not reached in %.0f s", _TAIL_SECONDS)
                return

    def _handle(self, error: KafkaError, message: KafkaMessage) -> None:
        place = (message.topic() or "", message.partition() or 0)
        if error.name() == "_PARTITION_EOF":
            self._open.discard(place)
        elif error.name() == "TOPIC_AUTHORIZATION_FAILED":
            log.warning(
                "what topic %s has already comes twice: grant the user Read on it", place[0]
            )
            self._open.discard(place)
        elif error.name() not in _PASSING and not error.retriable():
            raise self._cluster.failure(error)

    def _check(self, seconds: float) -> None:
        if seconds > self._cluster.patience or self._cluster.is_hopeless:
            message = (
                f"the ends of the topics could not be read within {self._cluster.patience:g} s"
            )
            raise self._cluster.failure(message)


def _item_of(message: KafkaMessage) -> tuple[str, ItemKey] | None:
    """Id and key of an item; None for a message of somebody else."""
    headers: dict[str, Any] = dict(message.headers() or [])
    try:
        sync, seq = headers["sync"].decode(), headers["seq"].decode()
        return headers["id"].decode(), (UUID(sync), int(seq))
    except (KeyError, ValueError, AttributeError):
        return None
