"""Change events as the stream page and the history of a record show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends

from stripe_airflow.ui.payloads.differences import MOST_KEYS, Difference, difference_of
from stripe_airflow.ui.rendering import segment
from stripe_sync import StreamItem, SyncInfo


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change event.

    Attributes:
        id: Id of the change event.
        event_type: ``created``, ``updated`` or ``deleted``.
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
        at: When Stripe made the change.
        sync: Name of the sync.
        livemode: Whether the sync has live data.
        path: Page of the record, with its query.
        difference: What changed.
        source: Where it comes from; empty where that is not shown.
        stripe_event_id: The Stripe event that reported it.
    """

    id: str
    event_type: str
    collection_id: str
    upstream_id: str
    at: datetime
    sync: str
    livemode: bool
    path: str
    difference: Difference
    source: str = ""
    stripe_event_id: str | None = None


def shown_change(
    item: StreamItem,
    syncs: Mapping[str, SyncInfo],
    *,
    most_keys: int = MOST_KEYS,
    source: str = "",
    stripe_event_id: str | None = None,
) -> ShownChange:
    """A change event.

    Args:
        item: It.
        syncs: All syncs by id.
        most_keys: Changed keys to show.
        source: Where it comes from.
        stripe_event_id: The Stripe event that reported it.
    """
    event = json_of(item)
    sync = syncs.get(str(item.sync_id))
    return ShownChange(
        id=event["id"],
        event_type=event["event_type"],
        collection_id=item.collection_id,
        upstream_id=item.upstream_id,
        at=datetime.fromisoformat(event["upstream_updated_at"]),
        sync=sync.name if sync else str(item.sync_id),
        livemode=sync.livemode if sync else False,
        path=record_path(item.collection_id, item.upstream_id),
        difference=difference_of(event, most=most_keys),
        source=source,
        stripe_event_id=stripe_event_id,
    )


def record_path(collection_id: str, upstream_id: str) -> str:
    """Path of a record's page; a link to it may name the sync as well."""
    return f"/records/{segment(collection_id)}/{segment(upstream_id)}"


def json_of(item: StreamItem) -> dict[str, Any]:
    """An item as JSON whose texts can be sent as UTF-8."""
    found = item.json()
    # Half of a character (an unpaired surrogate) can only be there as an escape.
    return _sendable(found) if b"\\ud" in item.body.lower() else found


def _sendable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_sendable(name): _sendable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_sendable(each) for each in value]
    return value


@dataclass(frozen=True, slots=True)
class RecordName:
    """What names a record in the query of a request.

    Attributes:
        collection_id: ``stripe:customer``.
        upstream_id: Stripe's id of the object.
        sync: Name or id of its sync.
    """

    collection_id: str
    upstream_id: str
    sync: str


async def _record_name(
    collection_id: str = "", upstream_id: str = "", sync: str = ""
) -> RecordName:
    return RecordName(collection_id, upstream_id, sync)


QueriedRecord = Annotated[RecordName, Depends(_record_name)]
