from __future__ import annotations

from collections.abc import Iterator

import pytest

from stripe_sync.warehouse import BatchWriter, Warehouse
from unit.records.observations import RESOURCE


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A warehouse with tables and the sync ``main``."""
    with Warehouse(warehouse_url) as opened:
        opened.upgrade()
        opened.ensure_sync(
            "main", account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
        )
        yield opened


@pytest.fixture
def writer(warehouse: Warehouse) -> Iterator[BatchWriter]:
    with warehouse.writer() as opened:
        yield opened
