"""Parse Stripe events, and detect two that report the same change."""

from __future__ import annotations

from uuid import UUID

from stripe_sync.catalog import Collection
from stripe_sync.clock import from_unix
from stripe_sync.records import StripeEvent, canonical_json, ids
from stripe_sync.records.canonical_json import JsonObject, copied


def parse_event(event: JsonObject, collection: Collection) -> StripeEvent:
    """A Stripe event in the warehouse's terms."""
    previous = event["data"].get("previous_attributes")
    request = _request(event)
    return StripeEvent(
        id=event["id"],
        type=event["type"],
        change=collection.change_of(event["type"]),
        created=from_unix(event["created"]),
        previous_attributes=None if previous is None else copied(previous),
        api_version=event.get("api_version"),
        fingerprint=fingerprint(event),
        object_created=collection.object_created(event["data"]["object"]),
        request_id=_name(request.get("id")),
        idempotency_key=_name(request.get("idempotency_key")),
    )


def fingerprint(event: JsonObject) -> UUID | None:
    """Identifies the change that a Stripe event reports; None where that cannot be proven.

    Stripe sometimes makes two events of one change. They are duplicates for certain only where one
    request made both: without a request, an object may have changed there, back and there again.
    """
    request_id = _request(event).get("id")
    if not request_id:
        return None
    content = [event["type"], event["created"], request_id, event.get("account"), event["data"]]
    return ids.fingerprint(canonical_json.canonical(content))


def _request(event: JsonObject) -> JsonObject:
    """Id and idempotency key of the request that made a Stripe event; old versions have the id."""
    request = event.get("request") or {}
    return request if isinstance(request, dict) else {"id": str(request)}


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and ids.is_storable(value) else None
