"""Stripe events, and observations of objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

KEY_PREFIX = "airflow-stripe-sync-"
"""Beginning of the idempotency keys of mutations."""


class ChangeType(StrEnum):
    """Type of a change event."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Source(StrEnum):
    """Use case that found a change."""

    BACKFILL = "backfill"
    POLL = "poll"
    MUTATION = "mutation"
    RECONCILE = "reconcile"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """An item of GET /v1/events.

    Attributes:
        id: ``evt_…``.
        type: Stripe's event type, ``customer.updated``.
        change: Type of the change by the catalogue's routing; None where the event type leaves it
            open (``charge.succeeded``): created for a new record, else updated.
        created: Stripe's ``created``.
        previous_attributes: Old values of the changed keys; None where Stripe sends none.
        api_version: Version that the event's own payload is rendered in.
        fingerprint: Id of the event's content; two Stripe events with the same fingerprint report
            the same change. None where that cannot be proven.
        object_created: Unix seconds at which the object in the event's payload was created, where
            its id may be used again after a deletion; else None.
        is_hidden: Whether the sync leaves out all fields that changed.
        request_id: Stripe's id of the request that made the change, ``req_…``; None for Stripe
            itself.
        idempotency_key: Key of that request, None where it had none.
    """

    id: str
    type: str
    change: ChangeType | None
    created: datetime
    previous_attributes: JsonObject | None
    api_version: str | None
    fingerprint: UUID | None = None
    object_created: int | None = None
    is_hidden: bool = False
    request_id: str | None = None
    idempotency_key: str | None = None

    @property
    def may_be_mutation(self) -> bool:
        """Whether a mutation may have made the change: Stripe drops the key of a DELETE."""
        key = self.idempotency_key
        return self.request_id is not None and (key is None or key.startswith(KEY_PREFIX))


# Never changed after construction; a frozen dataclass would take three times as long to construct.
@dataclass(slots=True)
class Observation:
    """State of one object at one moment, and the Stripe event that led to it, if any.

    An observation without a Stripe event makes a change event only where it differs from the stored
    state. An observation with a Stripe event makes exactly one change event, unless that Stripe
    event was processed before.

    Attributes:
        collection_id: ``stripe:customer``.
        upstream_id: Key of the object within its collection.
        payload_json: The object, redacted, nested lists complete, as canonical JSON text. When
            ``deleted``: its last known state, stored only for a new record.
        payload_hash: Hash of the canonical JSON without the volatile fields.
        deleted: Whether the object is gone from Stripe.
        observed_at: When the request was sent: the state is not older than this.
        upstream_updated_at: When Stripe last changed the object, as far as known.
        api_version: Version the payload is rendered in.
        stripe_event: The Stripe event that led to this observation.
        fallback: Whether the payload is a Stripe event's own payload, in any version and with cut
            lists, while the object exists: stored for a new record, never in place of a stored
            state.
        gone: Whether the object was gone when it was fetched: the payload is the Stripe event's
            own, and never restores a deleted record.
        parent_id: Stripe's id of the object that this one belongs to and is listed with; None for
            top-level objects.
        object_created: Unix seconds at which the object was created, where its id may be used
            again after a deletion; else None.
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
    gone: bool = False
    parent_id: str | None = None
    object_created: int | None = None

    @property
    def payload(self) -> JsonObject:
        """The object, parsed on every access: text takes a tenth of the memory of objects."""
        payload: JsonObject = canonical_json.loads(self.payload_json)
        return payload
