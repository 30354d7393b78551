"""Bodies of requests and answers about consumers. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from stripe_airflow.api.routing import StorableText, StorableValues, Strict
from stripe_airflow.api.streams.models import ChangeEvent, Record
from stripe_sync import ConsumerInfo, DeadLetter

_LARGEST_SEQ = (1 << 63) - 1


class NewConsumer(Strict):
    """A consumer to create."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="1 to 63 lower-case letters, digits, - and _.",
    )
    kind: str = Field(description="`pull`, `webhook`, `postgres` or `kafka`.")
    stream: Literal["records", "events"] = Field(
        default="records",
        description="`records` (each object once, as it is now) or `events` (each change).",
    )
    filters: StorableValues = Field(
        default_factory=dict,
        description="Lists `sync_id`, `collection_id`, `event_type`; an empty one is no condition.",
    )
    deliver_policy: StorableText = Field(
        default="all",
        description="Where it begins: `all`, `new`, `30m`, a time with its zone, or a cursor.",
    )
    connection_id: StorableText | None = Field(
        default=None,
        description="Airflow connection of its target. Null, for a webhook: one is made.",
    )
    settings: StorableValues = Field(default_factory=dict, description="Settings of its kind.")
    metadata: StorableValues = Field(default_factory=dict, description="Your own texts, by name.")
    paused: bool = Field(default=False, description="Whether it begins paused.")


class ConsumerUpdate(Strict):
    """What to change of a consumer; what is left out stays, what is given is replaced whole."""

    filters: StorableValues = Field(default_factory=dict, description="What it reads from now on.")
    connection_id: StorableText | None = Field(
        default=None, description="Connection of its target."
    )
    settings: StorableValues = Field(default_factory=dict, description="Settings of its kind.")
    metadata: StorableValues = Field(default_factory=dict, description="Your own texts, by name.")
    status: Literal["active", "paused"] = Field(
        default="active", description="`paused` delivers no more, `active` goes on, and at once."
    )


class ReplayConsumer(Strict):
    """From where to deliver again."""

    start: StorableText = Field(
        alias="from", description="`all`, `new`, `30m`, a time with its zone, or a cursor."
    )


class RedeliverDeadLetters(Strict):
    """Which dead letters to deliver again."""

    seqs: list[Annotated[int, Field(ge=0, le=_LARGEST_SEQ, strict=True)]] | None = Field(
        default=None, max_length=10_000, description="Their stream positions. Null: all."
    )


class NextItems(Strict):
    """How many items to take."""

    batch_size: int = Field(default=1, ge=1, le=1000, strict=True, description="Most items.")
    wait_for: int = Field(
        default=0,
        ge=0,
        le=30_000,
        strict=True,
        description="How long to wait for the first item where there is none, in milliseconds.",
    )


class AckTokens(Strict):
    """Deliveries."""

    ack_tokens: list[StorableText] = Field(
        max_length=10_000, description="`ack_token` of items that `next` has answered."
    )


class ConsumerList(BaseModel):
    """A page of consumers by name; ``cursor`` is the next page's ``after_cursor``."""

    consumers: list[ConsumerInfo]
    cursor: str | None
    has_more: bool


class CreatedConsumer(BaseModel):
    """A new consumer. ``secret`` signs what a webhook gets; it is never answered again."""

    consumer: ConsumerInfo
    secret: str | None = None


class DeletedConsumer(BaseModel):
    """A consumer is gone."""

    name: str
    deleted: bool = True


class RotatedSecret(BaseModel):
    """The new secret of a webhook; what was the newest before is valid as well."""

    secret: str


class DeadLetterList(BaseModel):
    """A page of dead letters; ``cursor`` is the next page's ``after_cursor``."""

    dead_letters: list[DeadLetter]
    cursor: str | None
    has_more: bool


class RedeliveredDeadLetters(BaseModel):
    """Number of dead letters that are delivered again."""

    redelivered: int


class PulledItem(BaseModel):
    """A delivery: a record or a change event, as the consumer reads one or the other stream."""

    ack_token: str
    record: Record | None = None
    event: ChangeEvent | None = None


class PullInfo(BaseModel):
    """What is left; ``waits_for_acks``: nothing is delivered before something is acknowledged."""

    num_pending: int
    num_ack_pending: int
    waits_for_acks: bool


class PulledItems(BaseModel):
    """Deliveries, of each object one at most."""

    data: list[PulledItem]
    info: PullInfo


class AckedItems(BaseModel):
    """Number of tokens of deliveries in flight, and the other tokens."""

    acked: int
    expired: list[str]


class NackedItems(BaseModel):
    """Number of tokens of deliveries in flight, and the other tokens."""

    nacked: int
    expired: list[str]
