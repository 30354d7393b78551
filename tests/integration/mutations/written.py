"""A sync whose account is written to by mutations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from stripe_sync import MutationReport, mutate
from stripe_sync.catalog import load_catalog
from stripe_sync.records import canonical_json
from sync_harness import SyncHarness

Doc = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A sync, and what was written through it."""

    harness: SyncHarness

    def mutate(self, collection: str, kind: str, *records: Doc, **options: Any) -> MutationReport:
        return mutate(self.harness.connections, collection, kind, records, **options)

    def create(self, collection: str, **params: Any) -> Doc:
        """Create an object; returns its payload."""
        report = self.mutate(collection, "create", params)
        assert not report.failed, report.failed
        payload: Doc = report.records[0]["payload"]
        return payload

    def history(self, upstream_id: str) -> list[tuple[str, str]]:
        """Type and source of an object's change events."""
        return [(e["event_type"], e["source"]) for e in self.harness.events(upstream_id)]

    def both_histories(self, upstream_id: str) -> list[list[Any]]:
        """What Stripe reports of an object's changes, and what the stream has, with its echoes."""
        about = (e for e in self.stripe_events() if e["data"]["object"].get("id") == upstream_id)
        changes = self.harness.sql(
            "SELECT seq, e.source, e.event_type, e.changes, e.created_at::text,"
            " c.request_id, coalesce(c.stripe_event_id, e.stripe_event_id)"
            " FROM stripe_raw.events AS e LEFT JOIN stripe_sync.mutation_changes AS c"
            " USING (sync_id, seq) WHERE e.upstream_id = %s ORDER BY seq",
            upstream_id,
        )
        return [
            [(e["id"], e["request"], e["data"].get("previous_attributes")) for e in about],
            changes,
        ]

    def stripe_events(self) -> list[Doc]:
        """All Stripe events of the account, oldest first."""
        found = self.harness.stripe.v1.events.list({"limit": 100})
        events = [canonical_json.loads(str(each)) for each in found.auto_paging_iter()]
        return events[::-1]

    def assert_one_change_for_each_stripe_event(self) -> None:
        """Each Stripe event of a collection of the sync has one change event, and none has two."""
        catalog = load_catalog()
        expected: Counter[tuple[str, str]] = Counter()
        for event in self.stripe_events():
            obj = event["data"]["object"]
            for collection in catalog.route(obj["object"]):
                if not collection.ignores(event["type"]):
                    expected[collection.id, obj["id"]] += 1
        counts = self.harness.sql(
            "SELECT collection_id, upstream_id, count(*) FROM stripe_raw.events"
            " WHERE collection_id <> 'stripe:event' GROUP BY 1, 2"
        )
        stored = Counter({(row[0], row[1]): row[2] for row in counts})
        assert stored == expected, {
            key: (expected[key], stored[key], self.both_histories(key[1]))
            for key in sorted(expected.keys() | stored.keys())
            if expected[key] != stored[key]
        }

    def assert_as_in_stripe(self, *collections: str) -> None:
        """The records of collections equal what Stripe returns."""
        for name in collections:
            objects = {o["id"]: o for o in self.harness.sandbox.control.objects(name)}
            rows = self.harness.sql(
                "SELECT upstream_id, payload FROM stripe_raw.records"
                " WHERE collection_id = %s AND NOT deleted",
                f"stripe:{name}",
            )
            assert {row[0] for row in rows} == objects.keys()
            for upstream_id, payload in rows:
                got = {k: v for k, v in objects[upstream_id].items() if k in payload}
                assert payload == got, upstream_id
