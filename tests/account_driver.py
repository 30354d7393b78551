"""The Stripe account behind a sync, changed behind its back wherever an object lives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from shop import KEYS
from stripe_sandbox.places import EMBEDDED, PLACES
from stripe_sync.catalog import Collection
from stripe_sync.clock import SystemClock, to_unix
from stripe_sync.records import canonical_json
from sync_harness import SyncHarness

Doc = dict[str, Any]


class Account:
    """Changes objects without a word, and says what Stripe would say.

    Args:
        stand: The sync.
    """

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness
        self._control = harness.sandbox.control
        self._numbers = count(1)

    def objects(self, row: Collection) -> list[Doc]:
        """All objects of a collection, oldest first; those of test clocks last."""
        return sorted(self._control.objects(row.object), key=lambda o: bool(o.get("test_clock")))

    def synced(self, row: Collection, below: Collection | None = None) -> Doc:
        """An object that is stored and not deleted; below an object of a collection, if given."""
        query = "SELECT upstream_id, parent_id FROM stripe_raw.records WHERE collection_id = %s"
        parents = dict(self.harness.sql(f"{query} AND NOT deleted", row.id))
        owners = {obj["id"] for obj in self.objects(below)} if below else set()
        return next(
            obj
            for obj in self.objects(row)
            if key(row, obj) in parents and (not below or parents[key(row, obj)] in owners)
        )

    def parent_id(self, row: Collection, obj: Doc) -> str:
        """What an object is stored below."""
        found: str = stored(self.harness, row, key(row, obj))["parent_id"]
        return found

    def put(self, obj: Doc) -> Doc:
        """Make an object, or put it in place of the one with its id."""
        for holder, field in self._holding(obj):
            data = [obj if o["id"] == obj["id"] else o for o in holder[field]["data"]]
            self._rewrite(holder, field, data)
            return obj
        self._control.put(obj, as_given=False)
        return obj

    def another(self, obj: Doc, mark: str, **changes: Any) -> Doc:
        """Make the same object once more, where it stands."""
        copy = copied(obj, mark, **changes)
        for holder, field in self._holding(obj):
            self._rewrite(holder, field, [copy, *holder[field]["data"]])
            return copy
        return self.put(copy)

    def remove(self, obj: Doc) -> None:
        """Take an object away."""
        for holder, field in self._holding(obj):
            self._rewrite(holder, field, [o for o in holder[field]["data"] if o["id"] != obj["id"]])
            return
        name = f"{obj['account']}/{obj['id']}" if obj["object"] == "capability" else obj["id"]
        self._control.remove(obj["object"], name)
        for place in PLACES:
            if place.owner and place.field and obj["object"] in place.objects:
                for holder in self._control.objects(place.parent):
                    shown = holder[place.field] if holder["id"] == obj.get(place.owner) else {}
                    rest = [o for o in shown.get("data", ()) if o["id"] != obj["id"]]
                    if shown.get("object") == "list":
                        self._rewrite(holder, place.field, rest)

    def _holding(self, obj: Doc) -> Iterator[tuple[Doc, str]]:
        for place in EMBEDDED.get(obj["object"], ()):
            for holder in self._control.objects(place.parent):
                data = (holder.get(place.field) or {}).get("data") or ()
                if any(o["id"] == obj["id"] for o in data):
                    yield holder, place.field

    def _rewrite(self, holder: Doc, field: str, data: list[Doc]) -> None:
        page = {**holder[field], "data": data}
        self._control.put({**holder, field: page}, as_given=False)

    def say(self, kind: str, obj: Doc, **data: Any) -> None:
        """Append a Stripe event about an object."""
        event = {
            "id": f"evt_said_{next(self._numbers)}",
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
    """The same object once more under another id, with all that it holds."""
    name = f"{obj['id']}_{mark}"
    copy: Doc = canonical_json.loads(
        canonical_json.dumps(obj).replace(obj["id"].encode(), name.encode())
    )
    for value in copy.values():
        if isinstance(value, dict) and value.get("object") == "list":
            for child in value["data"]:
                child["id"] = f"{child['id']}_{mark}"
    return {**copy, **changes}


def key(row: Collection, obj: Doc) -> str:
    """The key of an object within its collection."""
    return KEYS.get(row.name, lambda o: o["id"])(obj)


def stored(harness: SyncHarness, row: Collection, upstream_id: str) -> Doc:
    """The record of an object; empty where there is none."""
    rows = harness.sql(
        "SELECT to_jsonb(r) FROM stripe_raw.records r"
        " WHERE collection_id = %s AND upstream_id = %s",
        row.id,
        upstream_id,
    )
    return rows[0][0] if rows else {}


def newest(harness: SyncHarness, row: Collection, upstream_id: str) -> tuple[str, str, bool]:
    """Type and source of an object's newest change event, and whether a Stripe event told it."""
    [last] = harness.sql(
        "SELECT event_type, source, stripe_event_id IS NOT NULL FROM stripe_raw.events"
        " WHERE collection_id = %s AND upstream_id = %s ORDER BY seq DESC LIMIT 1",
        row.id,
        upstream_id,
    )
    return last


def said(row: Collection, *roles: str) -> str | None:
    """The first Stripe event that has one of these roles and is still sent."""
    names = [name for role in roles for name in getattr(row.events, role)]
    return next((name for name in names if name not in row.events.legacy), None)
