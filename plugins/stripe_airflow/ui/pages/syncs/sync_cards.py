"""How a sync stands, as pages show it: in a word, and as a small plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stripe_airflow.links.dashboard import account_url
from stripe_airflow.ui.rendering import seconds
from stripe_sync import FreshnessPoint, SyncInfo, SyncOverview

_STATES = {
    "attention": ("needs attention", "bad"),
    "disconnected": ("disconnected", "bad"),
    "new": ("new", ""),
    "backfilling": ("backfilling", "info"),
    "live": ("live", "good"),
    "paused": ("paused", "warn"),
    "deleting": ("being deleted", ""),
}
"""Word and badge of each state, in the order of the cards."""

_ORDER = {state: place for place, state in enumerate(_STATES)}

_MINUTE = 60

PLOT_WIDTH, PLOT_HEIGHT = 240, 40
_FASTEST, _SLOWEST = 0.1, 10.0
"""Seconds at the lower and, unless there are larger ones, at the upper edge of a plot."""


@dataclass(frozen=True, slots=True)
class Card:
    """A sync on the first page.

    Attributes:
        figures: How it stands.
        word: Its state.
        badge: Class of the badge of its state.
        progress: ``backfilling 43 %`` if a backfill is not finished and the state is another.
        dashboard: URL of its account in Stripe; empty as long as the account is not known.
        p50: Medians of the last 24 hours, as the path of an SVG.
        p99: The same of the 99th percentiles.
        summary: What the plot shows, in words.
    """

    figures: SyncOverview
    word: str
    badge: str
    progress: str
    dashboard: str
    p50: str
    p99: str
    summary: str

    @property
    def sync(self) -> SyncInfo:
        """The sync."""
        return self.figures.sync

    @property
    def not_polled(self) -> str:
        """How long Stripe has not answered a poll, in minutes; empty for less than one, or never.

        A card does not change with every poll.
        """
        polled_at = self.figures.polled_at
        passed = (datetime.now(UTC) - polled_at).total_seconds() if polled_at else 0
        return f"last poll {seconds(passed)} ago" if passed >= _MINUTE else ""

    @property
    def text(self) -> str:
        """What a filter finds it by."""
        mode = "live mode" if self.sync.livemode else "test mode"
        account = f"{self.sync.account_name or ''} {self.sync.account_id or ''}"
        return f"{self.sync.name} {account} {self.word} {self.progress} {mode}"


def sorted_cards(overviews: Iterable[SyncOverview]) -> Sequence[Card]:
    """A card for each sync: by state, those that need attention first, then by name."""
    ordered = sorted(overviews, key=lambda each: (_ORDER[each.state], each.sync.name))
    return tuple(card_of(each) for each in ordered)


def card_of(figures: SyncOverview) -> Card:
    """The card of a sync."""
    word, badge = _STATES[figures.state]
    progress = "" if figures.percent is None else f"backfilling {figures.percent:.0f} %"
    if figures.state == "backfilling":
        word, progress = progress, ""
    highest = max([_SLOWEST, *_values(figures.freshness, "p99")])
    sync = figures.sync
    return Card(
        figures=figures,
        word=word,
        badge=badge,
        progress=progress,
        dashboard=account_url(sync.account_id, livemode=sync.livemode),
        p50=_path(figures.freshness, "p50", highest),
        p99=_path(figures.freshness, "p99", highest),
        summary=freshness_summary(figures.freshness),
    )


def freshness_summary(points: Sequence[FreshnessPoint]) -> str:
    """The last 24 hours of a sync in words."""
    medians, slow = _values(points, "p50"), _values(points, "p99")
    if not medians:
        return "No Stripe events in the last 24 hours."
    low, high = seconds(min(medians)), seconds(max(medians))
    median = low if low == high else f"between {low} and {high}"
    return (
        f"Time from a change in Stripe to its record: median {median};"
        f" 99 % within {seconds(max(slow))} at worst."
    )


def _values(points: Iterable[FreshnessPoint], name: str) -> list[float]:
    return [value for point in points if (value := getattr(point, name)) is not None]


def _path(points: Sequence[FreshnessPoint], name: str, highest: float) -> str:
    """A line with a gap where there were no Stripe events; on a logarithmic scale."""
    values = [getattr(point, name) for point in points]
    return " ".join(_strokes(values, highest))


def _strokes(values: Sequence[float | None], highest: float) -> Iterator[str]:
    width = PLOT_WIDTH / max(len(values) - 1, 1)
    span = math.log(highest / _FASTEST)
    before = False
    for place, value in enumerate(values):
        if value is not None:
            share = math.log(max(value, _FASTEST) / _FASTEST) / span
            # h0: a single point is drawn as a dot.
            at = f"{place * width:.1f},{(1 - share) * PLOT_HEIGHT:.1f}"
            yield f"L{at}" if before else f"M{at}h0"
        before = value is not None
