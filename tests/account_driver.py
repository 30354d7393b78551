"""Changes the Stripe account of a sync without Stripe events, and sends them where a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from shop import KEYS
from stripe_sandbox.resources.nested_lists import EMBEDDED_LISTS as EMBEDDED
from stripe_sandbox.resources.nested_lists import NESTED_LISTS as PLACES
from stripe_sync.catalog import Collection
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.records import canonical_json
from sync_harness import SyncHarness

Doc = dict[str, Any]


class Account:
    """A Stripe account whose objects change without Stripe events.

    Args:
        harness: The sync.
    """

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness
        self._control = harness.sandbox.control
        self._numbers = count(1)

    def objects(self, collection: Collection) -> list[Doc]:
        """All objects of a collection, oldest first; those of test clocks last."""
        return sorted(
            self._control.objects(collection.object), key=lambda o: bool(o.get("test_clock"))
        )

    def synced(self, collection: Collection, below: Collection | None = None) -> Doc:
        """An object that is stored and not deleted, with a parent in a collection if given."""
        query = "SELECT upstream_id, parent_id FROM stripe_raw.records WHERE collection_id = %s"
        parents = dict(self.harness.sql(f"{query} AND NOT deleted", collection.id))
        owners = {obj["id"] for obj in self.objects(below)} if below else set()
        return next(
            obj
            for obj in self.objects(collection)
            if key(collection, obj) in parents
            and (not below or parents[key(collection, obj)] in owners)
        )

    def parent_id(self, collection: Collection, obj: Doc) -> str:
        """Id of the parent that an object is stored with."""
        found: str = stored(self.harness, collection, key(collection, obj))["parent_id"]
        return found

    def put(self, obj: Doc) -> Doc:
        """Create an object, or replace the one with its id."""
        for holder, field in self._embedding(obj):
            data = [obj if o["id"] == obj["id"] else o for o in holder[field]["data"]]
            self._rewrite(holder, field, data)
            return obj
        self._control.put(obj, as_given=False)
        return obj

    def copy(self, obj: Doc, mark: str, **changes: Any) -> Doc:
        """Create a copy of an object with the same parent."""
        copy = copied(obj, mark, **changes)
        for holder, field in self._embedding(obj):
            self._rewrite(holder, field, [copy, *holder[field]["data"]])
            return copy
        return self.put(copy)

    def remove(self, obj: Doc) -> None:
        """Delete an object."""
        for holder, field in self._embedding(obj):
            self._rewrite(holder, field, [o for o in holder[field]["data"] if o["id"] != obj["id"]])
            return
        name = f"{obj['account']}/{obj['id']}" if obj["object"] == "capability" else obj["id"]
        self._control.remove(obj["object"], name)
        for place in PLACES:
            if place.owner and place.field and obj["object"] in place.objects:
                for holder in self._control.objects(place.parent):
                    embedded = holder[place.field] if holder["id"] == obj.get(place.owner) else {}
                    rest = [o for o in embedded.get("data", ()) if o["id"] != obj["id"]]
                    if embedded.get("object") == "list":
                        self._rewrite(holder, place.field, rest)

    def _embedding(self, obj: Doc) -> Iterator[tuple[Doc, str]]:
        for place in EMBEDDED.get(obj["object"], ()):
            for holder in self._control.objects(place.parent):
                data = (holder.get(place.field) or {}).get("data") or ()
                if any(o["id"] == obj["id"] for o in data):
                    yield holder, place.field

    def _rewrite(self, holder: Doc, field: str, data: list[Doc]) -> None:
        page = {**holder[field], "data": data}
        self._control.put({**holder, field: page}, as_given=False)

    def send_event(self, kind: str, obj: Doc, **data: Any) -> None:
        """Append a Stripe event about an object."""
        event = {
            "id": f"evt_sent_{next(self._numbers)}",
            "object": "event",
            "type": kind,
            "created": to_unix(SystemClock().now()),
            "api_version": self.harness.connections.settings.api_version,
            "livemode": False,
            "pending_webhooks": 0,
            "request": None,
            "data": {"object": obj, **data},
        }
        self._control.append_events([event])


def copied(obj: Doc, mark: str, **changes: Any) -> Doc:
    """A copy of an object under another id, with everything that it contains."""
    name = f"{obj['id']}_{mark}"
    copy: Doc = canonical_json.loads(
        canonical_json.dumps(obj).replace(obj["id"].encode(), name.encode())
    )
    for value in copy.values():
        if isinstance(value, dict) and value.get("object") == "list":
            for child in value["data"]:
                child["id"] = f"{child['id']}_{mark}"
    return {**copy, **changes}


def key(collection: Collection, obj: Doc) -> str:
    """The key of an object within its collection."""
    return KEYS.get(collection.name, lambda o: o["id"])(obj)


def stored(harness: SyncHarness, collection: Collection, upstream_id: str) -> Doc:
    """The record of an object; empty where there is none."""
    rows = harness.sql(
        "SELECT to_jsonb(r) FROM stripe_raw.records r"
        " WHERE collection_id = %s AND upstream_id = %s",
        collection.id,
        upstream_id,
    )
    return rows[0][0] if rows else {}


def newest(harness: SyncHarness, collection: Collection, upstream_id: str) -> tuple[str, str, bool]:
    """Type and source of an object's newest change event, and whether it has a Stripe event."""
    [last] = harness.sql(
        "SELECT event_type, source, stripe_event_id IS NOT NULL FROM stripe_raw.events"
        " WHERE collection_id = %s AND upstream_id = %s ORDER BY seq DESC LIMIT 1",
        collection.id,
        upstream_id,
    )
    return last


def event_type(collection: Collection, *roles: str) -> str | None:
    """The first type of Stripe event with one of these roles that Stripe still sends."""
    names = [name for role in roles for name in getattr(collection.events, role)]
    return next((name for name in names if name not in collection.events.legacy), None)
