"""Input and result of one warehouse transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.mutation import ExecutedMutation
from stripe_sync.records.observation import Observation, Source
from stripe_sync.records.set_aside import SetAside
from stripe_sync.records.stream_rows import RecordRow


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Progress of a collection's backfill; committed together with its data.

    Attributes:
        collection_id: The collection.
        generation: Number of the full backfill, from 1; part of the lake file's name.
        chunk: Number of the chunk that this commit writes; the next one is ``chunk + 1``.
        cursor: Where reading resumes (opaque to the warehouse).
        objects: Objects read so far in this generation.
        requests: Requests made so far in this generation.
        percent: Progress, 0 to 100; None where unknown.
        objects_per_second: Speed of this run.
        seconds_left: Seconds until this run is done; None where unknown.
    """

    collection_id: str
    generation: int
    chunk: int
    cursor: JsonObject
    objects: int
    requests: int
    percent: float | None = None
    objects_per_second: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class PendingFetch:
    """An object whose change events are stored while its new state is still to be fetched.

    Attributes:
        collection_id: ``stripe:customer``.
        upstream_id: Key of the object within its collection.
        locator: Fields of the object that fill the path of its retrieve request.
        changed_at: Time of its oldest change that was not fetched yet.
        fields: Names of the fields that its change events may not show; None for any.
    """

    collection_id: str
    upstream_id: str
    locator: JsonObject
    changed_at: datetime
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PollCheckpoint:
    """Progress of polling; committed together with its data.

    Attributes:
        cursor: Where polling resumes (opaque to the warehouse); None keeps the stored one.
        stripe_events: Number of new Stripe events since the last checkpoint.
        latencies: Number of Stripe events by seconds from the change to its commit, rounded up.
        pending: Objects to fetch later.
        fetched: Collection id and upstream id of fetched objects, with the time of the request;
            pending fetches that were queued later stay.
        owner: Holder of the poll lease; the commit is refused when another owner holds it. None
            commits whoever holds it.
    """

    cursor: JsonObject | None
    stripe_events: int = 0
    latencies: Mapping[float, int] = field(default_factory=dict)
    pending: Sequence[PendingFetch] = ()
    fetched: Sequence[tuple[str, str, datetime]] = ()
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Input of one transaction, in stream order.

    Attributes:
        sync_id: The sync.
        resource_id: The Stripe account and mode.
        source: The use case that found the changes.
        observations: In the order that their change events get in the stream.
        checkpoint: Backfill progress to commit with the data.
        poll: Polling progress to commit with the data.
        created_events: Whether a new record gets a change event without a Stripe event.
        expected_hashes: Payload hashes of the stored records that observations were derived from,
            by collection id and upstream id; None where no record was stored.
        set_aside: What was read with the observations and cannot be stored as a record.
        refetch: Whether the caller fetches again what may be older than the stored state: the batch
            is then refused. Else such a state is left out.
        redact_stored: Makes a stored record what would be stored now, by the sync's settings; None
            if that is the same.
        mutation: The mutation whose answer the observations come from.
    """

    sync_id: UUID
    resource_id: UUID
    source: Source
    observations: list[Observation]
    checkpoint: Checkpoint | None = None
    poll: PollCheckpoint | None = None
    created_events: bool = True
    expected_hashes: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    set_aside: Sequence[SetAside] = ()
    refetch: bool = False
    redact_stored: Callable[[RecordRow], RecordRow] | None = None
    mutation: ExecutedMutation | None = None


@dataclass(slots=True)
class LoadResult:
    """Counts of one transaction.

    Attributes:
        created: Records created.
        updated: Records changed.
        deleted: Records marked as deleted.
        unchanged: Observations that equal the stored state.
        stale: Observations older than the stored state, not stored.
        events: Change events written.
        last_seq: Stream position of the newest change event; None when none was written.
        echoes: Stripe events that reported the change event of a mutation.
        ahead: Collection and upstream ids of records whose fetched state shows changes that no
            Stripe event has reported yet; it was not stored.
        record_seq: Stream position of the mutation's record; None without a mutation or record.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    events: int = 0
    last_seq: int | None = None
    echoes: int = 0
    ahead: list[tuple[str, str]] = field(default_factory=list)
    record_seq: int | None = None
