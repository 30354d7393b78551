"""What the page of a sync shows: the progress of its backfill, its collections, its plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from stripe_airflow.ui.rendering import number, seconds
from stripe_sync import (
    Catalog,
    Collection,
    CollectionStatusRow,
    SyncActivity,
    SyncInfo,
    SyncStatus,
    load_catalog,
)

_WORDS = {
    "failed": ("failed", "bad"),
    "forbidden": ("no permission", "warn"),
    "running": ("running", "info"),
    "pending": ("waiting", "info"),
    "unavailable": ("unavailable", ""),
    "retired": ("retired", ""),
    "done": ("done", "good"),
    "empty": ("empty", "good"),
    "new": ("not started", ""),
    "none": ("not synced", ""),
}
"""Word and badge of the status of a collection."""

STATES = tuple(_WORDS.values())
_FINISHED = frozenset(("done", "empty", "forbidden", "unavailable", "retired"))

_LEAST_PASSED = timedelta(minutes=1)
"""Requests are counted by minute."""


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection on the page of a sync.

    Attributes:
        collection: The collection.
        state: What is known about it; None if it was never queued.
        word: Its status: that of its backfill, ``not started``, or ``not synced``.
        badge: Class of the badge.
    """

    collection: Collection
    state: CollectionStatusRow | None
    word: str
    badge: str

    @property
    def id(self) -> str:
        """The id of its row in the page."""
        return "row-" + self.collection.name.replace(".", "-")

    @property
    def text(self) -> str:
        """What a filter finds it by."""
        return f"{self.collection.title} {self.collection.id} stripe.{self.collection.view}"


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """A backfill that is not finished.

    Attributes:
        running: The collections that are read now.
        waiting: Number of those that are queued.
        finished: Number of those that are done, or cannot be read.
        failed: Number of those that failed.
        total: Number of all of the sync.
        objects_per_second: Of all running collections.
        eta: When the last running collection with a known end ends; None for unknown.
    """

    running: Sequence[CollectionRow]
    waiting: int
    finished: int
    failed: int
    total: int
    objects_per_second: float
    eta: datetime | None


def catalog_of(sync: SyncInfo) -> Catalog:
    """The collections that a sync can have: the parents that it stores are among them."""
    in_effect = {**sync.settings_in_effect, **sync.settings}
    return load_catalog(tuple(in_effect.get("include_parents") or ()))


def collection_rows(status: SyncStatus) -> Sequence[CollectionRow]:
    """All collections by title: those of the sync, and those that it does not have."""
    states = {state.collection_id: state for state in status.collections}
    found = catalog_of(status.sync).values()
    return tuple(_row(each, states.get(each.id), status.sync) for each in found)


def backfill_progress(rows: Iterable[CollectionRow]) -> BackfillProgress | None:
    """How far the backfill is; None if none is running or queued."""
    states = [(row, row.state) for row in rows if row.state and row.word != _WORDS["none"][0]]
    running = [(row, state) for row, state in states if state.status == "running"]
    waiting = sum(state.status == "pending" for _, state in states)
    if not (running or waiting):
        return None
    etas = [state.eta for _, state in running if state.eta]
    return BackfillProgress(
        running=tuple(row for row, _ in running),
        waiting=waiting,
        finished=sum(state.status in _FINISHED for _, state in states),
        failed=sum(state.status == "failed" for _, state in states),
        total=len(states),
        objects_per_second=sum(state.objects_per_second or 0 for _, state in running),
        eta=max(etas, default=None),
    )


def with_begun_period(activity: SyncActivity, now: datetime) -> SyncActivity:
    """The same activity; requests of the period that has begun are per second that has passed.

    As a share of the whole period they would look like a drop at the end of the plot.
    """
    *before, last = activity.requests
    period = last.at - before[-1].at
    passed = min(max(now - last.at, _LEAST_PASSED), period)
    scale = period / passed
    kinds = ("backfill", "poll", "reconcile", "mutation")
    scaled = replace(last, **{kind: getattr(last, kind) * scale for kind in kinds})
    return replace(activity, requests=(*before, scaled))


def requests_summary(activity: SyncActivity) -> str:
    """The requests of a day in words."""
    points = activity.requests
    totals = [each.backfill + each.poll + each.reconcile + each.mutation for each in points]
    limit = number(activity.requests_limit)
    if not any(totals):
        return f"No requests in the last 24 hours; the limit is {limit} a second."
    most = max(range(len(totals)), key=totals.__getitem__)
    return (
        f"At most {number(totals[most], 1)} requests a second, at {points[most].at:%H:%M} UTC;"
        f" the limit is {limit}."
    )


def reads_summary(activity: SyncActivity) -> str:
    """The reads of 30 days in words."""
    reads = sum(each.reads for each in activity.reads)
    if activity.reads_allocation is None:
        return f"{number(reads)} reads in 30 days. Stripe's allotment is not known yet."
    share = reads / activity.reads_allocation
    return (
        f"{number(reads)} of {number(activity.reads_allocation)} reads in 30 days: {share:.0%} of"
        " Stripe's allotment."
    )


def running_totals(activity: SyncActivity) -> Sequence[int]:
    """The reads up to and including each day, from the first of the 30 days."""
    totals, total = [], 0
    for each in activity.reads:
        total += each.reads
        totals.append(total)
    return totals


def midnight(day: date) -> int:
    """The begin of a day (UTC) in Unix seconds."""
    return int(datetime.combine(day, time(), UTC).timestamp())


def eta_text(eta: datetime | None, now: datetime) -> str:
    """The time that is left; empty for unknown."""
    if eta is None:
        return ""
    left = (eta - now).total_seconds()
    return f"{seconds(left)} left" if left >= 1 else "nearly done"


def _row(
    collection: Collection, state: CollectionStatusRow | None, sync: SyncInfo
) -> CollectionRow:
    has = sync.collection_ids is None or collection.id in sync.collection_ids
    status = (state.status if state else "new") if has else "none"
    word, badge = _WORDS[status]
    return CollectionRow(collection, state, word, badge)
