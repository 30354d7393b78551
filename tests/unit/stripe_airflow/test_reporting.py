"""Progress lines and tables in task logs."""

from __future__ import annotations

import logging

import pytest

from stripe_airflow.reporting import ProgressLog, format_table
from stripe_sync import Progress


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
def test_a_line_has_percent_rate_and_time(
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    left: float | None,
    percent: float | None,
    line: str,
) -> None:
    with caplog.at_level(logging.INFO):
        ProgressLog(logging.getLogger("task"))(progress(seconds, left, percent))
    assert caplog.messages[0].startswith(f"customer: {line}")


def test_lines_are_five_seconds_apart(caplog: pytest.LogCaptureFixture) -> None:
    progress_log = ProgressLog(logging.getLogger("task"))
    with caplog.at_level(logging.INFO):
        for tenth in range(200):
            progress_log(progress(tenth / 10, None))
    assert len(caplog.messages) == 4


def test_a_table_aligns_its_columns_and_leaves_missing_values_blank() -> None:
    rows = [
        {"collection": "customer", "status": "done", "objects": 1200, "seconds": 1.25},
        {"collection": "tax_id", "status": "failed", "message": "why"},
    ]
    columns = ("collection", "status", "objects", "requests", "seconds", "message")

    assert format_table(rows, columns).splitlines() == [
        "collection  status  objects  requests  seconds  message",
        "customer    done       1200                1.2",
        "tax_id      failed                              why",
    ]
