"""When a collection is due to be read again, and how far back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stripe_sync.catalog import Reread, load_catalog
from stripe_sync.sync.connections import SyncSettings
from stripe_sync.sync.reconcile.schedule import WHOLE, PastReads, due_window

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
TUESDAY_NIGHT = datetime(2026, 3, 3, 3, tzinfo=UTC)
SUNDAY_NIGHT = datetime(2026, 3, 8, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

NIGHTLY = Reread(reason="-")
HOURLY = Reread(days=1, minutes=60, reason="-")
DAILY = Reread(days=30, minutes=1440, reason="-")


def due(
    *schedule: Reread, at: datetime, whole: datetime | None = MONDAY, **windows: datetime
) -> int | None:
    reads = PastReads(
        whole, {int(name.removeprefix("days_")): read for name, read in windows.items()}
    )
    return due_window(schedule, reads, at)


def test_a_collection_that_was_never_read_is_due_as_a_whole() -> None:
    assert due(at=MONDAY, whole=None) == WHOLE


def test_everything_is_due_once_a_week_from_sunday_night_on() -> None:
    assert due(at=SUNDAY_NIGHT - MINUTE) is None
    assert due(at=SUNDAY_NIGHT) == WHOLE
    assert due(at=SUNDAY_NIGHT + timedelta(days=3)) == WHOLE
    assert due(at=SUNDAY_NIGHT + timedelta(days=3), whole=SUNDAY_NIGHT) is None


def test_a_nightly_read_is_due_each_night() -> None:
    assert due(NIGHTLY, at=TUESDAY_NIGHT - MINUTE) is None
    assert due(NIGHTLY, at=TUESDAY_NIGHT) == WHOLE
    assert due(NIGHTLY, at=TUESDAY_NIGHT, whole=TUESDAY_NIGHT) is None


def test_the_night_is_counted_in_utc() -> None:
    east = datetime.fromisoformat("2026-03-03T04:59:00+02:00")
    assert due(NIGHTLY, at=east) is None
    assert due(NIGHTLY, at=east + MINUTE) == WHOLE


def test_a_window_is_due_after_its_interval() -> None:
    assert due(HOURLY, at=MONDAY + timedelta(minutes=59)) is None
    assert due(HOURLY, at=MONDAY + timedelta(minutes=60)) == 1


def test_a_quiet_sync_reads_windows_once_a_day() -> None:
    reads, quiet = PastReads(MONDAY, {}), MONDAY - timedelta(days=3)
    later = MONDAY + timedelta(hours=23)
    assert due_window([HOURLY], reads, later, quiet) is None
    assert due_window([HOURLY], reads, MONDAY + timedelta(days=1), quiet) == 1
    assert due_window([HOURLY], reads, later, MONDAY) == 1
    assert due_window([HOURLY], reads, later, MONDAY - timedelta(minutes=59)) == 1
    assert due_window([HOURLY], reads, later, None) == 1


def test_a_quiet_account_stays_within_the_read_allotment() -> None:
    """Stripe allots 10,000 reads in 30 days to every account, transactions or not."""
    quiet, month = MONDAY - timedelta(days=30), 30 * 86_400
    requests = month / SyncSettings().longest_poll_interval
    for collection in load_catalog().values():
        whole, windows = MONDAY, dict[int, datetime]()
        lists = sum(len(call.variants) or 1 for call in collection.lists) + len(collection.sources)
        for minutes in range(0, 30 * 1_440, 15):
            now = MONDAY + timedelta(minutes=minutes)
            reads = PastReads(whole, windows)
            days = due_window(collection.reread_schedule, reads, now, quiet)
            if days is not None:
                requests += 1 + lists  # one for the account of the key
                whole, windows = (
                    (now, windows) if days == WHOLE else (whole, {**windows, days: now})
                )
    assert requests < 10_000


def test_a_read_of_a_window_counts_until_its_interval_is_over() -> None:
    read = MONDAY + timedelta(minutes=60)
    assert due(HOURLY, at=read + timedelta(minutes=59), days_1=read) is None
    assert due(HOURLY, at=read + timedelta(minutes=60), days_1=read) == 1


@pytest.mark.parametrize("schedule", [(HOURLY, DAILY), (DAILY, HOURLY)])
def test_of_several_windows_the_widest_that_is_due_is_read(schedule: tuple[Reread, ...]) -> None:
    assert due(*schedule, at=MONDAY + timedelta(hours=2)) == 1
    assert due(*schedule, at=MONDAY + timedelta(days=1), days_1=MONDAY) == 30


def test_a_wider_read_counts_for_a_narrower_window_and_not_the_other_way_round() -> None:
    at = MONDAY + timedelta(days=1)
    assert due(HOURLY, DAILY, at=at + MINUTE, days_30=at) is None
    assert due(HOURLY, DAILY, at=at + MINUTE, days_1=at) == 30
