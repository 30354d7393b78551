"""A sync between a sandbox, an empty warehouse and an empty lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from stand import Stand, make_stand
from stripe_sandbox.server import Running


@pytest.fixture
def stand(sandbox: Running, warehouse_url: str, tmp_path: Path) -> Stand:
    """A sync that was never run."""
    return make_stand(sandbox, warehouse_url, tmp_path)
