"""What writers hand to the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from stripe_sync import jsonio
from stripe_sync.catalog.model import ChangeType
from stripe_sync.jsonio import JsonObject


class Source(StrEnum):
    """Who found a change."""

    BACKFILL = "backfill"
    POLL = "poll"
    MUTATION = "mutation"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """What GET /v1/events said of one change.

    Attributes:
        id: ``evt_…``.
        type: Stripe's event type, ``customer.updated``.
        change: The kind of change, by the catalogue's routing; None when the type does not tell
            (``charge.succeeded``): created for a record never seen, else updated.
        created: Stripe's ``created``.
        previous_attributes: Old values of the changed keys; None where Stripe sends none.
        api_version: Version that the event's own payload is rendered in.
        fingerprint: Of what it says; another one with the same speaks of the same change. None
            where that cannot be proven.
    """

    id: str
    type: str
    change: ChangeType | None
    created: datetime
    previous_attributes: JsonObject | None
    api_version: str | None
    fingerprint: UUID | None = None


# Nothing changes one after it was made; declaring it frozen would triple the time that takes.
@dataclass(slots=True)
class Observation:
    """One object as Stripe showed it at a moment, and the Stripe event that led there, if any.

    An observation without a Stripe event makes a change event only where the state differs from
    the stored one. An observation with a Stripe event makes exactly one change event, whatever the
    state, unless that Stripe event was applied before.

    Attributes:
        collection_id: ``stripe:customer``.
        upstream_id: Key of the object within its collection.
        payload_json: The object, redacted, nested lists complete, as canonical JSON text; when
            ``deleted``, the last snapshot known, which is stored only for a record never seen.
        payload_hash: Hash of the canonical JSON without the volatile fields.
        deleted: Whether the object is gone from Stripe.
        observed_at: When the request that showed it was sent: no later state can be older.
        upstream_updated_at: When Stripe last changed it, as far as is known.
        api_version: Version the payload is rendered in.
        stripe_event: The Stripe event that led here.
        fallback: Whether the payload is only a Stripe event's snapshot, in whatever version and
            with lists cut: stored for a record never seen, never in place of what is stored.
        parent_id: Stripe's id of the object that this one belongs to and is listed with; None for
            objects that stand by themselves.
    """

    collection_id: str
    upstream_id: str
    payload_json: bytes
    payload_hash: str
    deleted: bool
    observed_at: datetime
    upstream_updated_at: datetime
    api_version: str
    stripe_event: StripeEvent | None = None
    fallback: bool = False
    parent_id: str | None = None

    @property
    def payload(self) -> JsonObject:
        """The object, parsed anew at each call: text takes a tenth of the memory of objects."""
        payload: JsonObject = jsonio.loads(self.payload_json)
        return payload


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
class Waiting:
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
    waiting: Sequence[Waiting] = ()
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
        builds_on: Stored states that observations were made from, by collection id and key: their
            payload hashes, None where nothing was stored.
    """

    sync_id: UUID
    resource_id: UUID
    source: Source
    observations: list[Observation]
    checkpoint: Checkpoint | None = None
    poll: PollCheckpoint | None = None
    created_events: bool = True
    builds_on: Mapping[tuple[str, str], str | None] = field(default_factory=dict)


@dataclass(slots=True)
class RecordRow:
    """The new state of one record, as it goes to the lake and to ``stripe_raw.records``."""

    id: UUID
    sync_id: UUID
    resource_id: UUID
    collection_id: str
    upstream_id: str
    deleted: bool
    payload_json: bytes
    payload_hash: str
    inserted_at: datetime
    updated_at: datetime
    upstream_updated_at: datetime
    updated_idx: int
    observed_at: datetime
    api_version: str
    parent_id: str | None = None


@dataclass(slots=True)
class EventRow:
    """One change event, as it goes to the lake and to ``stripe_raw.events``."""

    id: UUID
    sync_id: UUID
    resource_id: UUID
    collection_id: str
    upstream_id: str
    event_type: ChangeType
    changes: JsonObject | None
    data_json: bytes
    created_at: datetime
    upstream_updated_at: datetime
    source: Source
    stripe_event_id: str | None
    api_version: str


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
