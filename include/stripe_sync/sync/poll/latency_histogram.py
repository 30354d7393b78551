"""How long changes took to arrive, counted in classes that can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

_BOUNDS = (
    *(0.5 * halves for halves in range(1, 11)),
    *(6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0),
    *(900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 604_800.0, 2_592_000.0),
)


def latency_histogram(lags: Iterable[float]) -> Mapping[float, int]:
    """Number of lags by the upper bound of their class, in seconds."""
    last = len(_BOUNDS) - 1
    return Counter(_BOUNDS[min(bisect_left(_BOUNDS, lag), last)] for lag in lags)
