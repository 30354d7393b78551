"""The time between polls: fixed, or longer and longer while nothing happens."""

from __future__ import annotations

import pytest

from stripe_sync.sync.connections import SyncSettings
from stripe_sync.sync.poll.cadence import Cadence

ADAPTIVE = SyncSettings(cadence="adaptive", longest_poll_interval=60)


def test_an_adaptive_cadence_waits_longer_and_longer_up_to_its_limit() -> None:
    cadence = Cadence(ADAPTIVE, 0.5)
    waits = [cadence.seconds]
    for _ in range(40):
        cadence.update(found=False)
        waits.append(cadence.seconds)
    assert waits[:2] == [0.5, 0.625]
    assert waits == sorted(waits)
    assert waits[-1] == 60


def test_an_adaptive_cadence_is_fast_again_after_a_change() -> None:
    cadence = Cadence(ADAPTIVE, 0.5)
    cadence.update(found=False)
    cadence.update(found=True)
    assert cadence.seconds == 0.5


def test_an_interval_above_the_limit_is_kept() -> None:
    cadence = Cadence(ADAPTIVE, 90)
    cadence.update(found=False)
    assert cadence.seconds == 90


def test_a_new_poller_waits_as_long_as_one_that_was_never_interrupted() -> None:
    cadence, passed = Cadence(ADAPTIVE, 0.5), 0.0
    while cadence.seconds < 30:
        passed += cadence.seconds
        cadence.update(found=False)
    assert Cadence(ADAPTIVE, 0.5, passed).seconds == pytest.approx(cadence.seconds)
    assert Cadence(ADAPTIVE, 0.5, 86_400).seconds == 60
    assert Cadence(SyncSettings(), 0.5, 86_400).seconds == 0.5


def test_a_fixed_cadence_does_not_change() -> None:
    cadence = Cadence(SyncSettings(), 0.5)
    cadence.update(found=False)
    assert cadence.seconds == 0.5


def test_a_month_of_the_longest_interval_stays_within_the_read_allotment() -> None:
    """Stripe allots 10,000 reads to every account, transactions or not."""
    assert 30 * 86_400 / SyncSettings().longest_poll_interval < 10_000
