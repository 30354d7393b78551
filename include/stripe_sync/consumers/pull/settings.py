"""Settings of pull consumers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stripe_sync.consumers.sink import SinkSettings


class PullSettings(SinkSettings):
    """Settings of a pull consumer.

    Attributes:
        ack_wait_ms: Milliseconds after which an item that was not acknowledged is delivered again.
        max_deliver: Deliveries after which an item becomes a dead letter; -1 for never.
        max_ack_pending: Items that may wait for their acks; nothing is delivered above that.
    """

    ack_wait_ms: Annotated[int, Field(ge=100, le=43_200_000)] = 30_000
    max_deliver: Annotated[int, Field(ge=-1, le=1_000_000)] = -1
    max_ack_pending: Annotated[int, Field(ge=1, le=10_000)] = 1_000
