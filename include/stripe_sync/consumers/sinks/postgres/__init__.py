"""PostgreSQL: rows and cursor commit in one transaction of the target."""

from stripe_sync.consumers.sinks.postgres.sink import PostgresSink

__all__ = ["PostgresSink"]
