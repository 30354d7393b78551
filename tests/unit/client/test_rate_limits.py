from __future__ import annotations

import math

import pytest

from stripe_sync.client import PacingLimits
from stripe_sync.errors import ConfigurationError


@pytest.mark.parametrize("livemode", [True, False])
def test_the_mode_of_a_key_decides_its_limits(livemode: bool) -> None:
    expected = PacingLimits(100, 50, 25) if livemode else PacingLimits(25, 20, 25)
    assert PacingLimits.for_key(livemode=livemode) == expected


@pytest.mark.parametrize("name", ["total", "backfill", "per_endpoint"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_limit_that_is_no_rate_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PacingLimits(**{"total": 10, "backfill": 1, "per_endpoint": 5, name: value})


def test_a_backfill_cannot_have_more_than_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"'backfill' \(30 .* 'total' \(25\)"):
        PacingLimits(total=25, backfill=30, per_endpoint=25)
