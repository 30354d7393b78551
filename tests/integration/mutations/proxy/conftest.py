"""A sync whose requests somebody else makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stripe_sandbox.server import Running
from sync_harness import SyncHarness, make_harness


@pytest.fixture
def harness(sandbox: Running, warehouse_url: str, tmp_path: Path) -> SyncHarness:
    """A sync that was never run."""
    return make_harness(sandbox, warehouse_url, tmp_path)
