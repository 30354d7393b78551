"""What one transaction of the warehouse applies, and what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.observation import Observation, Source


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a collection's backfill has come; committed together with its data.

    Attributes:
        collection_id: The collection.
        generation: Counts full backfills; part of the lake file's name.
        chunk: Number of the chunk that this commit lands; the next one is ``chunk + 1``.
        position: Where the extraction goes on (opaque to the warehouse).
        objects: Objects seen so far in this generation.
        requests: Requests made so far in this generation.
        percent: 0 to 100 where it can be known.
        objects_per_second: How fast this run goes.
        seconds_left: Until it is done, where that can be known.
    """

    collection_id: str
    generation: int
    chunk: int
    position: JsonObject
    objects: int
    requests: int
    percent: float | None = None
    objects_per_second: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class PendingFetch:
    """An object whose change is in the stream while its new state is still to be fetched.

    Attributes:
        collection_id: ``stripe:customer``.
        upstream_id: Key of the object within its collection.
        seen: What names the object to Stripe: the fields that its path is filled with.
        changed_at: Its oldest change that was not fetched yet.
    """

    collection_id: str
    upstream_id: str
    seen: JsonObject
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class PollCheckpoint:
    """How far polling has come; committed together with its data.

    Attributes:
        position: Where polling goes on (opaque to the warehouse); None leaves it.
        stripe_events: New Stripe events seen since the last checkpoint.
        lags: Number of Stripe events by the seconds that they took to arrive, rounded up.
        waiting: Objects to fetch later.
        fetched: Objects that were fetched now, each with when; noted changes that are newer stay.
        owner: Holder of the poll lease; the commit is refused when somebody else took it over.
            None commits whoever holds it.
    """

    position: JsonObject | None
    stripe_events: int = 0
    lags: Mapping[float, int] = field(default_factory=dict)
    waiting: Sequence[PendingFetch] = ()
    fetched: Sequence[tuple[str, str, datetime]] = ()
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction applies, in stream order.

    Attributes:
        sync_id: The sync.
        resource_id: The Stripe account and mode.
        source: Who found the changes.
        observations: In the order that the stream shall have.
        checkpoint: Backfill progress to commit with the data.
        poll: Polling progress to commit with the data.
        created_events: Whether a record never seen gets a change event without a Stripe event.
        expected_hashes: Payload hashes of the stored states that observations were made from, by
            collection id and key; None where nothing was stored.
    """

    sync_id: UUID
    resource_id: UUID
    source: Source
    observations: list[Observation]
    checkpoint: Checkpoint | None = None
    poll: PollCheckpoint | None = None
    created_events: bool = True
    expected_hashes: Mapping[tuple[str, str], str | None] = field(default_factory=dict)


@dataclass(slots=True)
class LoadResult:
    """What one transaction changed.

    Attributes:
        created: Records made.
        updated: Records changed.
        deleted: Records marked as deleted.
        unchanged: Observations that said nothing new.
        stale: Observations older than what is stored, left out.
        events: Change events written.
        last_seq: Position of the newest one, None when none was written.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    events: int = 0
    last_seq: int | None = None
