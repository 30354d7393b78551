from __future__ import annotations

import pytest

from stripe_sync.client.rate_limit.store import ServerClock


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
