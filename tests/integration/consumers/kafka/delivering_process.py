"""A process that delivers to Kafka until it is killed."""

from __future__ import annotations

from stripe_sync import TargetConnection, deliver


def deliver_to_kafka(warehouse_url: str, servers: str) -> None:
    def find(conn_id: str) -> TargetConnection:
        return TargetConnection(conn_id, "kafka", extra={"bootstrap.servers": servers})

    deliver(warehouse_url, find)
