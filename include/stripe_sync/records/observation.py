"""What Stripe showed: Stripe events, and observations of objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject


class ChangeType(StrEnum):
    """What happened to a record."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


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
        payload: JsonObject = canonical_json.loads(self.payload_json)
        return payload
