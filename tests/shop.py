"""The demo's shop, backfilled, and the objects that have to be stored."""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import stripe

from databases import dump, new_database, restore
from snapshots import Snapshot
from stripe_sandbox.server import running
from stripe_sync.catalog import Collection, Retrieval, load_catalog
from stripe_sync.sync.backfill.backfill import BackfillReport
from sync_harness import SyncHarness, make_harness, unthrottled

CATALOG = load_catalog()
EVERY = [collection.name for collection in CATALOG.values()]

KEYS: dict[str, Callable[[Any], str]] = {
    "capability": lambda o: f"{o['account']}:{o['id']}",
    "line_item": lambda o: f"{o['invoice']}:{o['id']}",
    "payout_balance_transaction": lambda o: f"{o.get('payout')}:{o['id']}",
    "usage_record_summary": lambda o: ":".join(
        str(part) if part is not None else ""
        for part in (o["subscription_item"], o["period"]["start"], o["period"]["end"])
    ),
}
"""Keys of objects whose id alone is not unique."""


class Shop:
    """The demo's shop, backfilled.

    Attributes:
        harness: The sync.
        reports: The report of each collection's backfill.
        asked: The endpoints that it requested.
    """

    def __init__(
        self, harness: SyncHarness, reports: Iterable[BackfillReport], asked: Iterable[str]
    ) -> None:
        self.harness = harness
        self._objects: dict[str, list[Any]] = {}
        self.reports = {report.collection: report for report in reports}
        self.asked = set(asked)

    @classmethod
    def backfill(cls, harness: SyncHarness) -> Shop:
        """Backfill all collections of a sync."""
        reports = harness.backfill()
        return cls(harness, reports, harness.sandbox.control.stats()["by_endpoint"])

    def objects(self, kind: str) -> list[Any]:
        """All objects in the sandbox, or all stored previews; read once."""
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

    def expected(self, collection: Collection) -> list[str]:
        """Keys of all objects that Stripe returns of a collection."""
        if collection.retrieval is Retrieval.CREATE_ONLY:
            return []
        if collection.retrieval is Retrieval.PREVIEW:
            return list(self._previews(collection))
        key = KEYS.get(collection.name, lambda o: o["id"])
        return [
            key(obj) for obj in self.objects(collection.object) if self._is_listed(collection, obj)
        ]

    def _is_listed(self, collection: Collection, obj: Any) -> bool:
        if collection.name == "review":
            return bool(obj["open"])  # the list never returns closed ones
        if collection.name == "person":
            accounts = {account["id"]: account for account in self.objects("account")}
            owner = accounts.get(obj["account"])  # the platform itself is no connected account
            return owner is not None and not any(r.matches(owner) for r in collection.lists[0].skip)
        if collection.name == "payout_balance_transaction":
            return "payout" in obj
        return True

    def _previews(self, collection: Collection) -> Iterator[str]:
        for kind in ("customer", "subscription"):
            invoices = collection.name == f"upcoming_{kind}_invoice"
            if not invoices and collection.name != "upcoming_line_item":
                continue
            for obj in self.objects(kind):
                preview = self.preview(**{kind: obj["id"]})
                if preview is not None and invoices:
                    yield obj["id"]
                elif preview is not None:
                    count = len(list(preview.lines.auto_paging_iter()))
                    yield from (f"{obj['id']}:{number}" for number in range(count))

    def preview(self, **owner: str) -> Any:
        """The preview that Stripe computes for an object; None where nothing is due."""
        try:
            return self.harness.stripe.v1.invoices.create_preview(owner)  # type: ignore[arg-type]
        except stripe.InvalidRequestError as error:
            assert error.code == "invoice_upcoming_none"
            return None


@dataclass(frozen=True)
class BackfilledShop:
    """The demo's shop, backfilled once, to be copied.

    Attributes:
        snapshot: Its sync.
        reports: The report of each collection's backfill.
        asked: The endpoints that it requested.
    """

    snapshot: Snapshot
    reports: list[BackfillReport]
    asked: set[str]

    @contextmanager
    def copy(self, folder: Path) -> Iterator[Shop]:
        """The shop with a sync of its own, for as long as the block lasts."""
        with self.snapshot.copy(folder) as harness:
            yield Shop(harness, self.reports, self.asked)


@contextmanager
def backfilled_shop(server_url: str, folder: Path) -> Iterator[BackfilledShop]:
    """The demo's shop, backfilled, to be copied for as long as the block lasts.

    Args:
        server_url: The PostgreSQL server for its warehouse.
        folder: Of all processes that name this folder, the first backfills the shop.
    """
    folder.mkdir(exist_ok=True)
    kept, warehouse = folder / "shop.pickle", folder / "warehouse.sql"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not kept.exists():
            with running() as sandbox, new_database(server_url) as url:
                sandbox.control.demo()
                shop = Shop.backfill(unthrottled(make_harness(sandbox, url, folder)))
                dump(url, warehouse)
                snapshot = Snapshot.of(shop.harness, server_url)
            found = BackfilledShop(snapshot, list(shop.reports.values()), shop.asked)
            kept.write_bytes(pickle.dumps(found))
    found = pickle.loads(kept.read_bytes())
    with new_database(server_url) as url:
        restore(warehouse, url)
        connections = replace(found.snapshot.connections, warehouse_url=url)
        yield replace(
            found, snapshot=replace(found.snapshot, connections=connections, server_url=server_url)
        )
