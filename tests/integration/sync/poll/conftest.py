"""Fixtures of the poll tests."""

from __future__ import annotations

import pytest

from integration.sync.poll.accounts import Accounts
from sync_harness import SyncHarness, unthrottled


@pytest.fixture
def accounts(harness: SyncHarness) -> Accounts:
    """Three accounts with a sync each, without rate limits."""
    return Accounts(unthrottled(harness))
