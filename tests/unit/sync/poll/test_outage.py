"""Growing waits between the tries of something that fails."""

from __future__ import annotations

import pytest

from stripe_sync.errors import AuthenticationError, StripeSyncError, StripeUnreachable
from stripe_sync.errors import WarehouseError as Lost
from stripe_sync.sync.poll.outage import Backoff, Outage


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (StripeUnreachable("x"), [1, 2, 4, 8, 15, 15]),
        (AuthenticationError("x"), [1, 2, 4, 8, 16, 32, 60, 60]),
    ],
)
def test_waits_grow_up_to_a_longest_one(error: StripeSyncError, waits: list[float]) -> None:
    backoff = Backoff()
    assert [backoff.fail(error, now=0) for _ in waits] == waits


def test_a_million_failures_are_no_overflow() -> None:
    assert Backoff(failures=1_000_000).fail(Lost("x"), now=0) == 15


def test_a_try_is_due_after_the_wait_and_after_a_success_at_once() -> None:
    backoff = Backoff()
    assert backoff.is_due(100)
    wait = backoff.fail(Lost("x"), now=100)
    assert not backoff.is_due(100 + wait / 2)
    assert backoff.is_due(100 + wait)
    backoff.reset()
    assert backoff.is_due(100)
    assert backoff.fail(Lost("x"), now=100) == wait


def test_an_outage_has_the_newest_error_until_it_ends() -> None:
    outage = Outage()
    assert not outage.end()
    outage.add(Lost("down"), now=0)
    outage.add(Lost("still down"), now=5)
    assert str(outage.error) == "still down"
    assert outage.end()
    assert outage.error is None
    assert not outage.end()
