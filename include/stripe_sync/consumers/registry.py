"""The kinds of sinks. A new kind is a module in ``sinks/`` and a row here.

The kind ``pull`` is none of them: nothing is delivered to it, its readers fetch (``pull/``).
"""

from __future__ import annotations

from stripe_sync.consumers.sink import Sink
from stripe_sync.consumers.sinks.kafka import KafkaSink
from stripe_sync.consumers.sinks.postgres import PostgresSink
from stripe_sync.consumers.sinks.webhook import WebhookSink

SINKS: dict[str, type[Sink]] = {
    "webhook": WebhookSink,
    "postgres": PostgresSink,
    "kafka": KafkaSink,
}

PULL = "pull"


def kinds() -> list[str]:
    """All kinds."""
    return [PULL, *SINKS]
