"""What readers of the topics get."""

from __future__ import annotations

from uuid import uuid5

import pytest

from integration.consumers.kafka.conftest import NOON, SYNC, Topics, change, record
from stripe_sync.consumers.sink import TargetError
from stripe_sync.records import ids

RECORD = ids.record_id(SYNC, "stripe:customer", "cus_1")


def test_a_record_is_a_message_under_its_id(topics: Topics) -> None:
    item = record(5)
    topics.deliver([item])
    (message,) = topics.read()
    assert message.key == str(RECORD)
    assert message.value == item.body
    state = uuid5(RECORD, f"{NOON}:5:0a")
    assert message.headers == {"id": str(state), "seq": "5", "sync": str(SYNC)}


def test_a_change_event_is_a_message_under_the_id_of_its_record(topics: Topics) -> None:
    item = change(5, event_type="deleted")
    topics.deliver([item], stream="events")
    (message,) = topics.read()
    assert message.key == str(RECORD)
    assert message.value == item.body
    assert message.headers == {
        "id": item.json()["id"],
        "seq": "5",
        "sync": str(SYNC),
        "event_type": "deleted",
    }


def test_a_deleted_record_stays_readable_unless_tombstones_are_wanted(topics: Topics) -> None:
    topics.deliver([record(1, deleted=True)])
    topics.deliver([record(2, deleted=True), record(3, "cus_2")], tombstones=True)
    values = {message.seq: message.value for message in topics.read()}
    assert values == {1: record(1, deleted=True).body, 2: None, 3: record(3, "cus_2").body}


def test_each_collection_has_a_topic(topics: Topics) -> None:
    items = [
        record(1),
        record(2, "bps_1", collection="billing_portal.session"),
        record(3, "in_1", collection="invoice"),
    ]
    topics.deliver(items)
    for item, collection in zip(
        items, ("customer", "billing_portal.session", "invoice"), strict=True
    ):
        assert [message.value for message in topics.read(collection)] == [item.body]


def test_messages_of_a_key_are_in_order_in_one_partition(topics: Topics) -> None:
    names = [f"cus_{number % 7}" for number in range(700)]
    topics.deliver([change(seq + 1, name) for seq, name in enumerate(names)], stream="events")
    read = topics.read()
    assert len(read) == len(names)
    assert len({message.partition for message in read}) == 2
    for name in set(names):
        key = str(ids.record_id(SYNC, "stripe:customer", name))
        own = [message for message in read if message.key == key]
        assert len({message.partition for message in own}) == 1
        assert [message.seq for message in own] == sorted(message.seq for message in own)


def test_topics_of_records_are_compacted_and_those_of_events_are_not(topics: Topics) -> None:
    from confluent_kafka.admin import ConfigResource, ResourceType

    topics.deliver([record(1)])
    topics.deliver([change(1, "in_1", collection="invoice")], stream="events", partitions=3)
    policies, admin = {}, topics.broker.admin
    for collection in ("customer", "invoice"):
        wanted = ConfigResource(ResourceType.TOPIC, topics.name(collection))
        (future,) = admin.describe_configs([wanted]).values()
        policies[collection] = {name: each.value for name, each in future.result().items()}
    assert policies["customer"]["cleanup.policy"] == "compact"
    assert "cleanup.policy" not in policies["invoice"]
    assert len(topics.broker.topics()[topics.name("invoice")].partitions) == 3


def test_a_missing_topic_that_may_not_be_created_is_named_with_the_command(topics: Topics) -> None:
    with pytest.raises(TargetError) as raised:
        topics.deliver([record(1)], create_topics=False, partitions=None)
    assert (
        f"kafka-topics --bootstrap-server {topics.broker.servers} --create"
        f" --topic {topics.name()} --config cleanup.policy=compact"
    ) in str(raised.value)
    assert topics.name() not in topics.broker.topics()


def test_payloads_of_some_megabytes_arrive(topics: Topics) -> None:
    items = [record(seq, payload={"text": "x" * size}) for seq, size in ((1, 3_000_000), (2, 10))]
    outcome, _ = topics.deliver(items)
    assert not outcome.failed
    assert [message.value for message in topics.read()] == [item.body for item in items]


def test_a_message_above_the_clients_limit_fails_for_ever_and_later_ones_of_its_key_go_on(
    topics: Topics,
) -> None:
    items = [record(1), record(2, payload="x" * 200_000), record(3)]
    outcome, _ = topics.deliver(items, extra={"message.max.bytes": 100_000})
    assert [message.seq for message in topics.read()] == [1, 3]
    ((key, failure),) = outcome.failed.items()
    assert key == items[1].key
    assert failure.is_final
    assert "message.max.bytes" in failure.error
    assert "xxx" not in failure.error
    assert not outcome.skipped
