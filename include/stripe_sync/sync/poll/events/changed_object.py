"""What the steps of event processing pass to each other, and what they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stripe_sync.catalog import Collection
from stripe_sync.catalog.calls import placeholders
from stripe_sync.clock import from_unix
from stripe_sync.errors import PermissionDenied, StripeError
from stripe_sync.records import Observation, PendingFetch
from stripe_sync.records.canonical_json import JsonObject


@dataclass(slots=True)
class ChangedObject:
    """An object that Stripe events changed. Step 1 makes it, step 2 fills in its state.

    Attributes:
        collection: Its collection.
        upstream_id: Its key within the collection.
        locator: The object in its newest event, or of a pending fetch only what fills the path of
            its retrieve request.
        events: Its Stripe events in this batch, oldest first; none for a pending fetch.
        state: Its state; None where it is gone, deferred or only in its events.
        observed_at: When the request for the state was sent: one sent later returns no older one.
        event_only: Whether the payloads of its events are all there is: it cannot be retrieved.
        deferred: Whether it is to be fetched later; ``state`` is then None or lacks some fields.
        uncertain: The fields for which it is deferred; None for any.
        error: Why it could not be fetched.
        forbidden: Whether the key may not read its collection.
    """

    collection: Collection
    upstream_id: str
    locator: JsonObject
    events: list[JsonObject] = field(default_factory=list)
    state: JsonObject | None = None
    observed_at: datetime | None = None
    event_only: bool = False
    deferred: bool = False
    uncertain: frozenset[str] | None = None
    error: StripeError | None = None
    forbidden: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Collection id and upstream id."""
        return self.collection.id, self.upstream_id

    @property
    def failed(self) -> bool:
        """Whether a later try may fetch it; what the key may not read is not asked for again."""
        return self.error is not None and not isinstance(self.error, PermissionDenied)

    def give_up(self) -> None:
        """Take the payloads of its events instead of its state, and fetch it later."""
        self.error, self.state = None, None
        self.event_only = self.deferred = True

    def pending_fetch(self) -> PendingFetch:
        """Its entry in the queue of pending fetches."""
        locator = locator_of(self.collection, self.locator)
        changed_at = from_unix(self.events[0]["created"])
        fields = None if self.uncertain is None else tuple(sorted(self.uncertain))
        return PendingFetch(*self.key, locator, changed_at, fields)


def locator_of(collection: Collection, obj: JsonObject) -> JsonObject:
    """Those fields of an object that its retrieve request needs."""
    paths = [p for p in (collection.retrieve, *collection.retrieve_alternatives) if p]
    return {name: obj.get(name) for name in (*placeholders(*paths), "id")}


@dataclass(frozen=True, slots=True)
class ProcessedEvents:
    """What one transaction stores for some Stripe events, or for some pending fetches.

    Attributes:
        observations: In stream order.
        failed: Stripe events whose objects could not be fetched, not stored; to be tried again.
        unfinished: Stripe events that are stored, while an object related to theirs could not be
            read (a child list, a reference); to be tried again.
        forbidden: Errors of the collections that the key may not read, by collection id.
        deferred: Objects to fetch later.
        ahead: Pending objects whose fetched state shows a change that no Stripe event has reported
            yet; not among the observations.
        fetched: Objects whose state is among the observations: collection id, upstream id and
            when the request was sent.
        expected_hashes: Payload hashes of the stored states that event payloads were compared
            with, as in ``Batch``.
    """

    observations: list[Observation]
    failed: list[JsonObject] = field(default_factory=list)
    unfinished: list[JsonObject] = field(default_factory=list)
    forbidden: dict[str, PermissionDenied] = field(default_factory=dict)
    deferred: list[PendingFetch] = field(default_factory=list)
    ahead: list[tuple[str, str]] = field(default_factory=list)
    fetched: list[tuple[str, str, datetime]] = field(default_factory=list)
    expected_hashes: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
