"""Kafka: a topic for each collection.

At least once, in order for each key. What the topics have already is skipped after a crash, and
the ids in the headers let readers drop what comes twice. ``confluent_kafka`` is imported where it
is used: librdkafka does not survive a fork, and most installations have no Kafka consumer.
"""

from stripe_sync.consumers.sinks.kafka.settings import KafkaSettings
from stripe_sync.consumers.sinks.kafka.sink import KafkaSink

__all__ = ["KafkaSettings", "KafkaSink"]
