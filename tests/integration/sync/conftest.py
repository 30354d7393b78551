"""A sync between a sandbox, an empty warehouse and an empty lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import new_database
from stripe_sandbox.server import Running, running
from sync_harness import SyncHarness, make_harness


@pytest.fixture
def harness(sandbox: Running, warehouse_url: str, tmp_path: Path) -> SyncHarness:
    """A sync that was never run."""
    return make_harness(sandbox, warehouse_url, tmp_path)


@pytest.fixture(scope="module")
def original(
    postgres_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SyncHarness]:
    """A sync that was never run; a module fills it once, and its tests get copies."""
    with running() as sandbox, new_database(postgres_url, like=migrated) as url:
        yield make_harness(sandbox, url, tmp_path_factory.mktemp("original"))
