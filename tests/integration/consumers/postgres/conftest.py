from __future__ import annotations

from collections.abc import Iterator

import pytest

from databases import new_database
from integration.consumers.postgres.target_database import TargetDatabase


@pytest.fixture
def target(postgres_url: str) -> Iterator[TargetDatabase]:
    """An empty database."""
    with new_database(postgres_url) as url:
        yield TargetDatabase(url)
