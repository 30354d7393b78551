"""Items of a stream as messages of Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec

from stripe_sync.consumers.sinks.kafka.settings import KafkaSettings, topic_name
from stripe_sync.records import canonical_json, ids
from stripe_sync.streams.items import ItemKey, StreamItem

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be sent.

    Attributes:
        item: Key of its item.
        topic: Where it goes.
        id: The header ``id``: the same whenever the same item is sent.
        key: UUID of the record, as text.
        value: The item as JSON; None is a tombstone.
        headers: ``id``, ``seq``, ``sync`` and, of change events, ``event_type``.
    """

    item: ItemKey
    topic: str
    id: str
    key: bytes
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """Bytes before compression, and some more for the framing."""
        return len(self.key) + len(self.value or b"") + _FRAMING


_FRAMING = 500  # headers, and what Kafka adds to a batch


def message_of(item: StreamItem, settings: KafkaSettings) -> Message:
    """The message of an item."""
    body = _fields(item.body)
    record = ids.record_id(item.sync_id, item.collection_id, item.upstream_id)
    # A record has the same id in each of its states.
    name = body.id
    if not body.event_type:
        state = (body.inserted_at, body.updated_idx, body.payload_hash)
        name = str(ids.record_version_id(UUID(body.id), *state))
    headers: Headers = [
        ("id", name.encode()),
        ("seq", b"%d" % item.seq),
        ("sync", str(item.sync_id).encode()),
    ]
    if body.event_type:
        headers.append(("event_type", body.event_type.encode()))
    return Message(
        item=item.key,
        topic=topic_name(settings.topic, item.collection_id),
        id=name,
        key=str(record).encode(),
        value=None if settings.tombstones and body.deleted else item.body,
        headers=headers,
    )


class _Body(msgspec.Struct):
    """Some fields of an item; the others are skipped, not parsed."""

    id: str
    deleted: bool = False
    event_type: str = ""
    inserted_at: str = ""
    updated_idx: int = 0
    payload_hash: str = ""


_decode = msgspec.json.Decoder(_Body).decode


def _fields(body: bytes) -> _Body:
    try:
        return _decode(body)
    except msgspec.DecodeError:  # halves of a surrogate pair
        return msgspec.convert(canonical_json.loads(body), _Body)
