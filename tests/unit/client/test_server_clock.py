from __future__ import annotations

import pytest

from stripe_sync.clock import ServerClock


def test_a_prompt_exchange_tells_the_difference_of_the_clocks() -> None:
    clock = ServerClock()
    clock.add(1000.005, sent=5.0, received=5.01)
    assert clock.local(1001.0) == pytest.approx(6.0)


def test_an_answer_that_was_read_late_does_not_shift_it() -> None:
    clock = ServerClock()
    clock.add(1000.005, sent=5.0, received=5.01)
    clock.add(1001.005, sent=6.0, received=6.9)
    clock.add(1002.805, sent=7.0, received=7.81)
    assert clock.local(1010.0) == pytest.approx(15.0)


def test_a_prompt_exchange_corrects_a_slow_one() -> None:
    clock = ServerClock()
    clock.add(1000.0, sent=4.0, received=5.0)
    clock.add(1000.6, sent=5.599, received=5.601)
    assert clock.local(1001.0) == pytest.approx(6.0, abs=0.002)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_server_clock_that_was_set_anew_is_followed_at_once(step: float) -> None:
    clock = ServerClock()
    clock.add(1000.0, sent=4.99, received=5.01)
    clock.add(1001.0 + step, sent=5.99, received=6.01)
    assert clock.local(1002.0 + step) == pytest.approx(7.0, abs=0.02)


def test_the_bounds_hold_and_narrow_with_each_round_trip() -> None:
    """The true difference is 995.0; times of the second server have whole seconds."""
    clock = ServerClock()
    clock.add(1000.0, sent=4.9, received=5.1, resolution=1.0)
    assert clock.earliest(6.0) == pytest.approx(1000.9)
    assert clock.latest(6.0) == pytest.approx(1002.1)
    clock.add(1000.0, sent=5.9, received=5.95, resolution=1.0)
    assert clock.earliest(6.0) <= 1001.0 <= clock.latest(6.0)
    assert clock.latest(6.0) == pytest.approx(1001.1)


def test_a_server_clock_that_was_set_back_is_not_ahead_any_more() -> None:
    clock = ServerClock()
    clock.add(1000.0, sent=4.99, received=5.01)
    clock.add(911.0, sent=5.99, received=6.01)
    assert 911.9 <= clock.earliest(7.0) <= 912.0 <= clock.latest(7.0) <= 912.1
