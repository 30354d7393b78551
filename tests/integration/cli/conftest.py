"""A warehouse with two syncs, whose streams the commands read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.streams.conftest import Streams, make_streams
from stripe_sync.warehouse import Warehouse


@pytest.fixture
def streams(warehouse_url: str) -> Iterator[Streams]:
    with Warehouse(warehouse_url) as warehouse:
        warehouse.upgrade()
        yield make_streams(warehouse_url, warehouse)
