from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from stripe_sync.warehouse import BatchWriter, Warehouse
from unit.records.changes.observations import RESOURCE


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A warehouse with tables and the sync ``main``."""
    with Warehouse(warehouse_url) as opened:
        opened.upgrade()
        opened.syncs.ensure(
            "main", account_id="acct_1", resource_id=RESOURCE, livemode=False, api_version="2026"
        )
        yield opened


@pytest.fixture
def sql(warehouse: Warehouse, warehouse_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def writer(warehouse: Warehouse) -> Iterator[BatchWriter]:
    with warehouse.writer() as opened:
        yield opened
