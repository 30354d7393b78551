"""Progress lines: what they say, and that there are not too many."""

from __future__ import annotations

import logging

import pytest

from stripe_airflow.progress import ProgressLog
from stripe_sync.sync.progress import Progress


def progress(seconds: float, left: float | None, percent: float | None = 12.3) -> Progress:
    return Progress(
        "customer",
        objects=2_000,
        requests=21,
        percent=percent,
        seconds=seconds,
        objects_per_second=2_345.6,
        seconds_left=left,
    )


@pytest.mark.parametrize(
    ("seconds", "left", "percent", "line"),
    [
        (1, 42, 12.3, "2000 objects (12 %), 21 requests, 2346 objects/s, 1 s, 42 s left"),
        (75, 7_800, 99.6, "2000 objects (100 %), 21 requests, 2346 objects/s, 1 min 15 s, 2 h 10"),
        (3, None, None, "2000 objects, 21 requests, 2346 objects/s, 3 s"),
    ],
)
def test_a_line_tells_share_rate_and_time(
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    left: float | None,
    percent: float | None,
    line: str,
) -> None:
    with caplog.at_level(logging.INFO):
        ProgressLog(logging.getLogger("task"))(progress(seconds, left, percent))
    assert caplog.messages[0].startswith(f"customer: {line}")


def test_lines_are_some_seconds_apart(caplog: pytest.LogCaptureFixture) -> None:
    told = ProgressLog(logging.getLogger("task"))
    with caplog.at_level(logging.INFO):
        for tenth in range(200):
            told(progress(tenth / 10, None))
    assert len(caplog.messages) == 4
