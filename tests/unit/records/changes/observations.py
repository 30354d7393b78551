"""Observations, Stripe events and batches for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from stripe_sync.records import (
    Batch,
    ChangeType,
    Observation,
    Source,
    StripeEvent,
    canonical_json,
    ids,
)

SYNC = ids.sync_id("main")
RESOURCE = ids.resource_id("acct_1", livemode=False)
CUSTOMER = "stripe:customer"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def observation(
    payload: dict[str, Any] | None = None,
    *,
    when: float = 0,
    upstream_id: str = "cus_1",
    collection_id: str = CUSTOMER,
    deleted: bool = False,
    stripe_event: StripeEvent | None = None,
    fallback: bool = False,
    gone: bool = False,
) -> Observation:
    text = canonical_json.canonical({"id": upstream_id, **(payload or {})})
    return Observation(
        collection_id=collection_id,
        upstream_id=upstream_id,
        payload_json=text,
        payload_hash=canonical_json.payload_hash(text),
        deleted=deleted,
        observed_at=at(when),
        upstream_updated_at=at(when - 5),
        api_version="2026-01-01",
        stripe_event=stripe_event,
        fallback=fallback,
        gone=gone,
    )


def stripe_event(
    stripe_event_id: str,
    change: ChangeType | None = ChangeType.UPDATED,
    *,
    created: float = 0,
    previous: dict[str, Any] | None = None,
) -> StripeEvent:
    return StripeEvent(
        id=stripe_event_id,
        type="customer.something",
        change=change,
        created=at(created),
        previous_attributes=previous,
        api_version="2020-01-01",
    )


def batch(*observations: Observation, source: Source = Source.POLL, **more: Any) -> Batch:
    return Batch(SYNC, RESOURCE, source, list(observations), **more)
