"""What a sink is: the protocol between the delivery of a consumer and the place it delivers to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict

from stripe_sync.errors import StripeSyncError
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.streams.cursor import StreamCursor
from stripe_sync.streams.items import ItemKey, StreamItem
from stripe_sync.streams.selection import Selection, Stream


class TargetError(StripeSyncError):
    """The target did not take a batch as a whole; it is delivered again later.

    Attributes:
        retry_after: Seconds that the target asks to wait; None for the usual waits.
        pauses: Whether it makes no sense to try again before a person has looked at it.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, pauses: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.pauses = pauses


@dataclass(frozen=True, slots=True)
class TargetConnection:
    """A connection of Airflow, as a sink needs it. Its text shows no secret.

    Attributes:
        id: Its id.
        type: ``postgres``, ``kafka``, ``http`` …
        host: Host; None where there is none.
        port: Port.
        login: User.
        password: Password, or another secret.
        schema: Database.
        extra: Its extras.
    """

    id: str
    type: str
    host: str | None = None
    port: int | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    schema: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


FindConnection = Callable[[str], TargetConnection]
"""Finds a connection by its id, blocking; raises ``ConfigurationError`` or ``KeyError`` where there
is none."""


class SinkSettings(BaseModel):
    """The settings of a kind of sink: a pydantic model, so that wrong ones are named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def check(self, stream: Stream) -> None:
        """Check what depends on the stream.

        Raises:
            ConfigurationError: A setting does not go with it; ``param`` names it.
        """


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink may know of its consumer.

    Attributes:
        consumer: Its name.
        selection: What it reads: ``selection.stream`` says whether items are records or events.
        connection: The connection that the consumer names; None where it names none.
        epoch: Grows each time that a process begins to deliver to the consumer. A target that
            remembers it can refuse an older process that comes late.
    """

    consumer: str
    selection: Selection
    connection: TargetConnection | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a consumer has got.

    Attributes:
        cursor: It has everything up to here.
        position: What its sink needs to go on (opaque to all others); None at first.
        mark: ``DeliveryBatch.mark`` of the last batch of a target with a cursor of its own.
    """

    cursor: StreamCursor
    position: JsonObject | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryBatch:
    """Consecutive items of a stream.

    Attributes:
        items: In stream order, at most 1,000 and some 8 MB; none where a filter left all out.
        start: The cursor before them.
        end: The cursor after them; the same as ``start`` where items are delivered once more.
        mark: Names what the streams have at ``end``, in 62 bits, for a sink with
            ``keeps_cursor``: after commits were lost, they have something else there.
    """

    items: Sequence[StreamItem]
    start: StreamCursor
    end: StreamCursor
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why an item was not delivered.

    Attributes:
        error: In a sentence, without secrets and without the item.
        is_final: Whether no try will ever succeed: it becomes a dead letter at once.
        retry_after: Seconds that the target asks to wait; None for the usual waits.
    """

    error: str
    is_final: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of items. Those of a batch that are in neither group were delivered.

    Attributes:
        failed: Items that were not delivered, by ``StreamItem.key``. Later items of the same object
            must be among them or among ``skipped``, but for those that follow a dead letter.
        skipped: Keys of items that were not tried, because an earlier item of their object failed,
            or because the target went down after a part of the batch was delivered.
        unfinished: Keys of items that are under way; a later outcome has them in ``finished`` or
            ``failed``.
        finished: Keys of items of earlier batches that were delivered since.
    """

    failed: Mapping[ItemKey, ItemFailure] = field(default_factory=dict)
    skipped: frozenset[ItemKey] = frozenset()
    unfinished: frozenset[ItemKey] = frozenset()
    finished: frozenset[ItemKey] = frozenset()


class Sink(Protocol):
    """Delivers to one target.

    A new kind is a module with a class of this shape, and a row in ``registry.py``. One object
    serves one consumer, in one event loop, from ``open`` to ``close``.

    Attributes:
        Settings: Its settings.
        needs_connection: Whether the consumer must name a connection.
        keeps_cursor: Whether the target has a cursor of its own, which ``open`` returns.
        longest_wait: Longest wait between two tries after ``TargetError``.
        gives_up_after: How long it tries before the consumer is paused; None for ever.
    """

    Settings: ClassVar[type[SinkSettings]]
    needs_connection: ClassVar[bool]
    keeps_cursor: ClassVar[bool]
    longest_wait: ClassVar[timedelta]
    gives_up_after: ClassVar[timedelta | None]

    @classmethod
    def of(cls, settings: SinkSettings, context: SinkContext) -> Self:
        """The sink of a consumer; it connects to nothing yet.

        Raises:
            ConfigurationError: Settings and connection do not go together.
        """
        ...

    async def open(self, checkpoint: Checkpoint) -> Checkpoint:
        """Connect, and make sure that the target can take items.

        Args:
            checkpoint: The stored one; it may be older than what the target has.

        Returns:
            Where to go on: the target's own, if it has one.

        Raises:
            TargetError: The target cannot take items now; the message says what to do.
        """
        ...

    async def deliver(self, batch: DeliveryBatch) -> Outcome:
        """Deliver items, those of one object in their order.

        Called again with the same items after a crash, or after ``TargetError``.

        Raises:
            TargetError: None of the items is to be counted as delivered.
        """
        ...

    def position(self) -> JsonObject | None:
        """What is stored with the cursor after ``deliver``, see ``Checkpoint``."""
        ...

    async def close(self) -> None:
        """Let go of the target; never raises, and ends within some seconds."""
        ...
