"""Lags are counted in buckets by their upper bounds."""

from __future__ import annotations

import pytest

from stripe_sync.sync.poll.report import latency_histogram

MONTH = 2_592_000.0


@pytest.mark.parametrize(
    ("lag", "bucket"),
    [(0.0, 0.5), (-1.0, 0.5), (0.5, 0.5), (0.51, 1.0), (9.5, 10.0), (61.0, 90.0), (9e9, MONTH)],
)
def test_a_lag_is_counted_in_the_bucket_that_it_does_not_exceed(lag: float, bucket: float) -> None:
    assert latency_histogram([lag]) == {bucket: 1}


def test_lags_of_one_bucket_are_counted_together() -> None:
    assert latency_histogram([0.1, 0.2, 0.7]) == {0.5: 2, 1.0: 1}
    assert latency_histogram([]) == {}
