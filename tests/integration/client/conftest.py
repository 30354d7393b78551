"""A warehouse, and coroutine tests on asyncio."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from databases import new_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def pacing_url(postgres_url: str, migrated: str) -> Iterator[str]:
    """A warehouse for all these tests; each uses an ``account`` of its own."""
    with new_database(postgres_url, like=migrated) as url:
        yield url


@pytest.fixture
def account() -> str:
    return f"acct_{uuid4().hex}:test"
