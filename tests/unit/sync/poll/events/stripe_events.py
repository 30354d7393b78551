"""Stripe events, stored records and normalizers for the poll tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from stripe_sync.catalog import Collection, load_catalog
from stripe_sync.extract.normalize import Normalizer
from stripe_sync.records import RecordRow, canonical_json, ids

VERSION = "2026-10-28.endive"
OTHER_VERSION = "2024-06-20"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SYNC = ids.sync_id("main")

CATALOG = load_catalog()
PRODUCT, CUSTOMER = CATALOG.resolve("product"), CATALOG.resolve("customer")
INVOICE, DISCOUNT = CATALOG.resolve("invoice"), CATALOG.resolve("discount")


def at(seconds: float) -> datetime:
    """A time in seconds from noon."""
    return NOON + timedelta(seconds=seconds)


def normalizer_of(collection: Collection) -> Normalizer:
    return Normalizer(collection, api_version=VERSION)


def product(**fields: Any) -> dict[str, Any]:
    return {"id": "prod_1", "object": "product", "name": "Spice", "metadata": {}, **fields}


def event(
    kind: str,
    payload: dict[str, Any],
    *,
    created: int = 0,
    previous: dict[str, Any] | None = None,
    version: str = VERSION,
    request: Any = None,
    name: str = "evt_1",
) -> dict[str, Any]:
    """A Stripe event, created so many seconds after noon."""
    data = {"object": payload, **({} if previous is None else {"previous_attributes": previous})}
    return {
        "id": name,
        "object": "event",
        "type": kind,
        "created": int(at(created).timestamp()),
        "api_version": version,
        "data": data,
        "request": request,
    }


def stored(
    payload: dict[str, Any],
    *,
    observed: float = -60,
    updated: float = -60,
    deleted: bool = False,
    collection: Collection = PRODUCT,
) -> RecordRow:
    """A stored record; its times in seconds from noon."""
    text = canonical_json.canonical(payload)
    return RecordRow(
        id=UUID(int=1),
        sync_id=SYNC,
        resource_id=UUID(int=2),
        collection_id=collection.id,
        upstream_id=str(payload["id"]),
        deleted=deleted,
        payload_json=text,
        payload_hash=canonical_json.payload_hash(text),
        inserted_at=at(observed),
        updated_at=at(observed),
        upstream_updated_at=at(updated),
        updated_idx=1,
        observed_at=at(observed),
        api_version=VERSION,
    )
