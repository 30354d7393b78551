"""Lags counted in fixed buckets, which can be added up over minutes and syncs."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

_UPPER_BOUNDS = (
    *(0.5 * halves for halves in range(1, 11)),
    *(6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0),
    *(900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 604_800.0, 2_592_000.0),
)


def latency_histogram(lags: Iterable[float]) -> Mapping[float, int]:
    """Number of lags by the upper bound of their bucket, both in seconds."""
    last = len(_UPPER_BOUNDS) - 1
    return Counter(_UPPER_BOUNDS[min(bisect_left(_UPPER_BOUNDS, lag), last)] for lag in lags)
