"""A sync between a sandbox, an empty warehouse and an empty lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import new_database
from integration.mutations.written import Written
from stripe_sandbox.server import Running, running
from sync_harness import make_harness, unthrottled


@pytest.fixture
def written(sandbox: Running, warehouse_url: str, tmp_path: Path) -> Written:
    """A sync that has begun to poll."""
    made = Written(unthrottled(make_harness(sandbox, warehouse_url, tmp_path)))
    made.harness.poll()
    return made


@pytest.fixture(scope="module")
def shared(
    postgres_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Written]:
    """A sync that the tests of a module share."""
    with running() as sandbox, new_database(postgres_url, like=migrated) as url:
        harness = make_harness(sandbox, url, tmp_path_factory.mktemp("shared"))
        made = Written(unthrottled(harness))
        made.harness.poll()
        yield made
