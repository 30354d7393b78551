"""A warehouse with two syncs whose streams tests write to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from stripe_sync.records import Batch, Observation, Source, ids
from stripe_sync.warehouse import Warehouse
from unit.records.changes.observations import observation

SYNCS = ("north", "south")


@dataclass(frozen=True)
class Streams:
    """Writes to the streams of the syncs ``north`` and ``south``."""

    url: str
    warehouse: Warehouse

    def write(self, *observations: Observation, sync: str = "north") -> None:
        """One transaction."""
        found = self.warehouse.syncs.get(sync)
        with self.warehouse.writer() as writer:
            writer.load(Batch(found.id, found.resource_id, Source.POLL, list(observations)))

    def customers(self, *numbers: int, sync: str = "north", **fields: Any) -> None:
        """Store customers, or change them, in one transaction."""
        self.write(*(customer(number, **fields) for number in numbers), sync=sync)

    def id(self, sync: str) -> UUID:
        return self.warehouse.syncs.get(sync).id


def customer(number: int, *, collection: str = "customer", when: float = 0, **fields: Any) -> Any:
    deleted = fields.pop("deleted", False)
    return observation(
        {"n": number, **fields},
        when=when,
        upstream_id=f"{collection[:3]}_{number}",
        collection_id=f"stripe:{collection}",
        deleted=deleted,
    )


def make_streams(url: str, warehouse: Warehouse) -> Streams:
    """An empty warehouse's two syncs."""
    for name in SYNCS:
        warehouse.syncs.ensure(
            name,
            account_id=f"acct_{name}",
            resource_id=ids.resource_id(f"acct_{name}", livemode=False),
            livemode=False,
            api_version="2026",
        )
    return Streams(url, warehouse)


@pytest.fixture
def streams(warehouse_url: str) -> Iterator[Streams]:
    with Warehouse(warehouse_url) as warehouse:
        yield make_streams(warehouse_url, warehouse)
