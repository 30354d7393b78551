"""How all syncs stand at a glance, and what one sync did over time: the figures of a console.

Both take some milliseconds whatever the number of records: no large table is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Literal

from stripe_sync.accounts.syncs import SyncInfo, find_sync
from stripe_sync.client import PacingLimits
from stripe_sync.sync.account_check import account_key
from stripe_sync.warehouse import FreshnessPoint, ReadsPoint, RequestPoint, Sync, SyncFigures
from stripe_sync.warehouse.warehouse import open_warehouse

SyncState = Literal["new", "backfilling", "live", "paused", "disconnected", "deleting", "attention"]

_STOPPED: Mapping[str, SyncState] = {
    "paused": "paused",
    "disconnected": "disconnected",
    "deleting": "deleting",
}
_HALF_HOUR = timedelta(minutes=30)
_DAY = 48
"""Half hours of a day."""
_POINTS = 144


@dataclass(frozen=True, slots=True)
class SyncOverview:
    """How one sync stands.

    Attributes:
        sync: The sync.
        state: In one word: ``new`` (never backfilled), ``backfilling``, ``live``, ``paused``,
            ``disconnected``, ``deleting``, or ``attention``: it has warnings.
        percent: Progress of the backfill that is pending or running, 0 to 100, in estimated
            requests; None for no such.
        warnings: Why it is not up to date: sentences with cause and remedy.
        polled_at: Last poll that Stripe answered; None for never.
        freshness_p50: Median of the seconds from the change in Stripe to the commit, in this half
            hour and the one before; None without Stripe events.
        freshness_p99: 99th percentile of the same.
        freshness: The same over the last 24 hours, in 48 half hours.
        objects: Records that are not deleted.
        change_events_per_minute: Change events written, in the last five minutes.
        requests_per_second: Requests for its account, by all syncs of it, in the last minute.
        requests_limit: How many it may be, by the settings of this sync.
        reads_30_days: GET requests for its account in 30 days, by all syncs of it.
        reads_allocation: Stripe's allotment of them; None as long as it is unknown.
    """

    sync: SyncInfo
    state: SyncState
    percent: float | None
    warnings: tuple[str, ...]
    polled_at: datetime | None
    freshness_p50: float | None
    freshness_p99: float | None
    freshness: tuple[FreshnessPoint, ...]
    objects: int
    change_events_per_minute: float
    requests_per_second: float
    requests_limit: float
    reads_30_days: int
    reads_allocation: int | None


@dataclass(frozen=True, slots=True)
class SyncActivity:
    """What one sync did over time.

    Attributes:
        freshness: Seconds from changes in Stripe to their commit; 144 periods.
        requests: Requests for its account, by all syncs of it; the same periods.
        reads: GET requests for its account on each of the last 30 days (UTC).
        requests_limit: Requests per second that are allowed, by the settings of this sync.
        reads_allocation: Stripe's allotment of GET requests in 30 days; None: not known yet.
    """

    freshness: tuple[FreshnessPoint, ...]
    requests: tuple[RequestPoint, ...]
    reads: tuple[ReadsPoint, ...]
    requests_limit: float
    reads_allocation: int | None


def describe_overview(warehouse_url: str) -> list[SyncOverview]:
    """How each sync stands, by name. Changes nothing, asks Stripe nothing.

    Args:
        warehouse_url: The warehouse.

    Raises:
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import describe_overview
        >>> [each.sync.name for each in describe_overview(connections.warehouse_url)]
        ['default']
    """
    with open_warehouse(warehouse_url) as warehouse:
        syncs = warehouse.syncs.all()
        figures = warehouse.activity.figures()
        times = _grid(warehouse.sync_statuses.now(), _HALF_HOUR, _DAY)
        freshness = warehouse.activity.freshness_of_all(times)
        warnings: dict[str, list[str]] = {}
        for problem in warehouse.problems.all():
            warnings.setdefault(problem.sync, []).append(problem.text)
    nothing = tuple(FreshnessPoint(at, None, None, 0) for at in times)
    return [
        _overview(
            sync,
            figures[sync.id],
            tuple(warnings.get(sync.name, ())),
            freshness.get(sync.id, nothing),
        )
        for sync in syncs
        if sync.id in figures
    ]


def sync_activity(warehouse_url: str, sync: str, *, hours: float = 24) -> SyncActivity:
    """What a sync did in the last hours. Changes nothing, asks Stripe nothing.

    Args:
        warehouse_url: The warehouse.
        sync: Its name or its id.
        hours: How far to look back, at least; figures are kept for 48.

    Raises:
        SyncNotFound: There is none.
        WarehouseError: The warehouse cannot be reached.

    Example:
        >>> from stripe_sync import sync_activity
        >>> len(sync_activity(connections.warehouse_url, "default").requests)
        144
    """
    with open_warehouse(warehouse_url) as warehouse:
        found = find_sync(warehouse, sync)
        now = warehouse.sync_statuses.now()
        minutes = max(1, ceil(hours * 60 / _POINTS))
        times = _grid(now, timedelta(minutes=minutes), _POINTS)
        key = account_key(found.account_id, livemode=found.livemode)
        return SyncActivity(
            freshness=warehouse.activity.freshness(found.id, times),
            requests=warehouse.activity.requests(key, times),
            reads=warehouse.activity.reads(key, now.astimezone(UTC).date()),
            requests_limit=_requests_limit(found),
            reads_allocation=warehouse.sync_statuses.polling(found.id).reads_allocation,
        )


def _overview(
    sync: Sync,
    figures: SyncFigures,
    warnings: tuple[str, ...],
    freshness: tuple[FreshnessPoint, ...],
) -> SyncOverview:
    return SyncOverview(
        sync=SyncInfo.of(sync),
        state=_state(sync, figures, warnings),
        percent=figures.percent,
        warnings=warnings,
        polled_at=figures.polled_at,
        freshness_p50=figures.freshness_p50,
        freshness_p99=figures.freshness_p99,
        freshness=freshness,
        objects=figures.objects,
        change_events_per_minute=figures.change_events_per_minute,
        requests_per_second=figures.requests_per_second,
        requests_limit=_requests_limit(sync),
        reads_30_days=figures.reads_30_days,
        reads_allocation=figures.reads_allocation,
    )


def _state(sync: Sync, figures: SyncFigures, warnings: tuple[str, ...]) -> SyncState:
    if sync.status in _STOPPED:
        return _STOPPED[sync.status]
    if warnings:
        return "attention"
    if figures.percent is not None:
        return "backfilling"
    return "live" if figures.was_backfilled else "new"


def _requests_limit(sync: Sync) -> float:
    chosen = {**sync.settings, **sync.overrides}.get("total_requests_per_second")
    return float(chosen or PacingLimits.for_key(livemode=sync.livemode).total)


def _grid(now: datetime, step: timedelta, points: int) -> list[datetime]:
    """Begins of the last periods, ascending; that of now is the last one."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    last = now - (now - epoch) % step
    return [last - step * before for before in range(points - 1, -1, -1)]
