"""An object that Stripe events speak of, and what became known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from stripe_sync.catalog import Collection
from stripe_sync.catalog.calls import placeholders
from stripe_sync.clock import from_unix
from stripe_sync.errors import StripeSyncError
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.records import (
    ChangeType,
    Observation,
    PendingFetch,
    StripeEvent,
    canonical_json,
    ids,
)
from stripe_sync.records.canonical_json import JsonObject


@dataclass(slots=True)
class ChangedObject:
    """One changed object.

    Attributes:
        row: Its collection.
        upstream_id: Its key.
        seen: The object as last seen, which names it to Stripe.
        events: Stripe events that speak of it, oldest first; none where it waited to be fetched.
        state: Its state; None where it is gone, or where only the events tell of it.
        only_told: Whether only Stripe events tell of it.
        later: Whether it is to be fetched later; ``state`` is then what holds until that.
        observed_at: When the request that showed the state was sent: one sent later shows nothing
            older.
        error: Why it could not be fetched.
    """

    row: Collection
    upstream_id: str
    seen: JsonObject
    events: list[JsonObject] = field(default_factory=list)
    state: JsonObject | None = None
    only_told: bool = False
    later: bool = False
    observed_at: datetime | None = None
    error: StripeSyncError | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Collection id and key."""
        return self.row.id, self.upstream_id

    def waiting(self) -> PendingFetch:
        """What to keep of it until it is fetched."""
        paths = [path for path in (self.row.retrieve, *self.row.retrieve_alternatives) if path]
        named = {name: self.seen.get(name) for name in placeholders(*paths)}
        seen = {**named, "id": self.seen.get("id")}
        return PendingFetch(*self.key, seen, from_unix(self.events[0]["created"]))

    def normalize(
        self, event: JsonObject, normalizer: Normalizer, *, answered_at: datetime, api_version: str
    ) -> Observation:
        """What one of its Stripe events says, given what is known of its state.

        The state holds for all of its events here, save that an object gone by now was there until
        the event that deleted it, and one back by now was gone in between.

        Args:
            event: The Stripe event.
            normalizer: Shapes objects of its collection.
            answered_at: When the Stripe event was there.
            api_version: Version that the sync stores objects in.
        """
        told = parse_event(event, self.row)
        normalizer.redact(told.previous_attributes or {})
        observed_at = self.observed_at or min(told.created, answered_at)
        other_version = event.get("api_version") != api_version
        later = self.events[self.events.index(event) + 1 :]
        fallback = False
        if self.later and self.state is None:
            gone, snapshot, fallback = False, True, True
        elif self.only_told:
            gone, snapshot, fallback = told.change is ChangeType.DELETED, True, other_version
        elif self.state is None:
            deleted_later = any(
                self.row.change_of(other["type"]) is ChangeType.DELETED for other in later
            )
            gone, snapshot, fallback = not deleted_later, True, True
        else:
            gone = snapshot = fallback = told.change is ChangeType.DELETED and bool(later)
            # It was gone before it was fetched: the fetched state is the later one.
            observed_at -= timedelta(microseconds=1 if gone else 0)
        return normalizer.normalize(
            copied(event["data"]["object"] if snapshot else self.state),
            observed_at=observed_at,
            deleted=gone,
            stripe_event=told,
            fallback=fallback,
            api_version=event.get("api_version") if snapshot else None,
        )


def parse_event(event: JsonObject, row: Collection) -> StripeEvent:
    """What a Stripe event says, in the warehouse's terms."""
    previous = event["data"].get("previous_attributes")
    return StripeEvent(
        id=event["id"],
        type=event["type"],
        change=row.change_of(event["type"]),
        created=from_unix(event["created"]),
        previous_attributes=None if previous is None else copied(previous),
        api_version=event.get("api_version"),
        fingerprint=fingerprint(event),
    )


def fingerprint(event: JsonObject) -> UUID | None:
    """Names what a Stripe event says: two with the same fingerprint speak of the same change.

    Stripe sometimes makes two of one change. That they are twins is certain only where one and the
    same request made both: without a request, an object may have gone there, back and there again.
    """
    request = event.get("request") or {}
    made_by = request.get("id") if isinstance(request, dict) else request
    if not made_by:
        return None
    said = [event["type"], event["created"], made_by, event.get("account"), event["data"]]
    return ids.fingerprint(canonical_json.canonical(said))


def copied(obj: JsonObject | None) -> JsonObject:
    """A copy deep enough that shaping it leaves the original alone."""
    copy: JsonObject = canonical_json.loads(canonical_json.dumps(obj))
    return copy
