"""The demo's shop, all of it backfilled, and what of it has to arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import stripe

from stripe_sync.catalog import Collection, Retrieval, load_catalog
from stripe_sync.sync.backfill.backfill import BackfillReport
from sync_harness import SyncHarness

CATALOG = load_catalog()
EVERY = [row.name for row in CATALOG.values()]

KEYS: dict[str, Callable[[Any], str]] = {
    "capability": lambda o: f"{o['account']}:{o['id']}",
    "line_item": lambda o: f"{o['invoice']}:{o['id']}",
    "usage_record_summary": lambda o: ":".join(
        str(part) if part is not None else ""
        for part in (o["subscription_item"], o["period"]["start"], o["period"]["end"])
    ),
}
"""Keys of those whose id alone is not enough."""


class Shop:
    """The demo's shop, all of it backfilled.

    Attributes:
        stand: The sync.
        reports: What the backfill of each collection did.
        asked: The endpoints that it asked.
    """

    def __init__(self, harness: SyncHarness) -> None:
        self.harness = harness
        self._objects: dict[str, list[Any]] = {}
        self.reports: dict[str, BackfillReport] = {r.collection: r for r in harness.backfill()}
        self.asked = set(harness.sandbox.control.stats()["by_endpoint"])

    def objects(self, kind: str) -> list[Any]:
        """What the sandbox holds, or the previews that were asked for; read once."""
        if kind not in self._objects:
            previewed = kind in EVERY and CATALOG.resolve(kind).preview
            self._objects[kind] = (
                self.stored(kind) if previewed else self.harness.sandbox.control.objects(kind)
            )
        return self._objects[kind]

    def stored(self, name: str) -> list[Any]:
        """Payloads of a collection's records."""
        query = "SELECT payload FROM stripe_raw.records WHERE collection_id = %s AND NOT deleted"
        return [row[0] for row in self.harness.sql(query, f"stripe:{name}")]

    def expected(self, row: Collection) -> list[str]:
        """Keys of everything that Stripe shows of a collection."""
        if row.retrieval is Retrieval.CREATE_ONLY:
            return []
        if row.retrieval is Retrieval.PREVIEW:
            return list(self._previews(row))
        key = KEYS.get(row.name, lambda o: o["id"])
        return [key(obj) for obj in self.objects(row.object) if self._shown(row, obj)]

    def _shown(self, row: Collection, obj: Any) -> bool:
        if row.name == "review":
            return bool(obj["open"])  # the list never shows closed ones
        if row.name == "person":
            accounts = {account["id"]: account for account in self.objects("account")}
            owner = accounts.get(obj["account"])  # the platform itself is no connected account
            return owner is not None and not any(r.applies(owner) for r in row.lists[0].skip)
        return True

    def _previews(self, row: Collection) -> Iterator[str]:
        for kind in ("customer", "subscription"):
            invoices = row.name == f"upcoming_{kind}_invoice"
            if not invoices and row.name != "upcoming_line_item":
                continue
            for obj in self.objects(kind):
                preview = self.preview(**{kind: obj["id"]})
                if preview is not None and invoices:
                    yield obj["id"]
                elif preview is not None:
                    count = len(list(preview.lines.auto_paging_iter()))
                    yield from (f"{obj['id']}:{number}" for number in range(count))

    def preview(self, **owner: str) -> Any:
        """What Stripe computes for an object; None where nothing is due."""
        try:
            return self.harness.stripe.v1.invoices.create_preview(owner)  # type: ignore[arg-type]
        except stripe.InvalidRequestError as error:
            assert error.code == "invoice_upcoming_none"
            return None
