"""Fixtures of the reconcile tests."""

from __future__ import annotations

import pytest

from sync_harness import SyncHarness, unthrottled


@pytest.fixture
def quick(harness: SyncHarness) -> SyncHarness:
    """A sync that was never run, without Stripe's limits."""
    return unthrottled(harness)
