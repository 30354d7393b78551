"""What ``make up`` does once Airflow runs: starts what the sync lacks, and says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set

import stripe_sync
from stripe_stack.database.views import create_views, views_exist
from stripe_stack.stack import DAGS, Report, Stack

RELOAD = "stripe_reload"
BACKFILL = "stripe_backfill"

_SETTLED = 60.0
"""Seconds until polling has begun; before, "not polled since" is no news."""
_EVERY = 5.0
_NOT_POLLED = "not polled since"
_ACTIVE = ("queued", "running")
_NAMES_SHOWN = 5


class FirstRuns:
    """Starts the runs that the sync of the stack lacks: a reload, a backfill, or neither.

    Args:
        stack: The running stack.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._reload: str | None = None

    def start(self) -> str:
        """Start what is missing. Returns what was done, for the user."""
        stack = self._stack
        missing = stripe_sync.find_missing_data(
            stack.warehouse_url, stack.settings.lake, stack.sync
        )
        blocked = self._paused_syncs() | ({stack.sync} if missing.reload else set())
        goes_on = self._end_backfills_of(blocked)
        if missing.reload:
            stack.api.unpause(RELOAD)
            self._reload = stack.api.trigger(RELOAD, {"sync": stack.sync})
            return "The warehouse is new: it is being rebuilt from the lake by stripe_reload."
        if not missing.collections:
            return "What was there before is still there."
        if goes_on:
            return "The backfill goes on where it stopped."
        names = [] if missing.never_backfilled else list(missing.collections)
        stack.api.trigger(BACKFILL, {"sync": stack.sync, "collections": names})
        if missing.never_backfilled:
            return "The first backfill has begun."
        return f"A backfill of what is missing has begun: {_shortened(names)}."

    def _paused_syncs(self) -> set[str]:
        syncs = stripe_sync.describe_syncs(self._stack.warehouse_url)
        return {sync.name for sync in syncs if sync.status == "paused"}

    def _end_backfills_of(self, blocked: Set[str]) -> bool:
        """End active runs of syncs whose tasks can only fail: one run at a time is allowed.

        Returns:
            Whether another run, of this stack's sync, is active.
        """
        stack, goes_on = self._stack, False
        active = (run for run in stack.api.runs(BACKFILL) if run["state"] in _ACTIVE)
        for run in active:
            sync = run["conf"].get("sync", stack.sync)
            if sync in blocked:
                stack.api.end_run(BACKFILL, run["dag_run_id"])
            else:
                goes_on = goes_on or sync == stack.sync
        return goes_on

    def go_on(self) -> str | None:
        """Start what follows a reload that has ended. Returns what was done, for the user."""
        if self._reload is None:
            return None
        runs = {run["dag_run_id"]: run["state"] for run in self._stack.api.runs(RELOAD)}
        state = runs.get(self._reload)
        if state in _ACTIVE:
            return None
        self._reload = None
        if state != "success":
            return f"stripe_reload has failed: see its log in Airflow, then trigger {RELOAD} again."
        return f"The warehouse is rebuilt. {self.start()}"


def make_views(stack: Stack, report: Report) -> None:
    """Create the views where there are none, before the first backfill has anything for them."""
    if views_exist(stack.settings, stack.warehouse_url):
        return
    report("Creating the views")
    if problem := create_views(stack.settings, stack.warehouse_url):
        report(problem)


def unpause_all(stack: Stack) -> None:
    """Let the scheduler run all DAGs that need no hand."""
    for dag in DAGS:
        stack.api.unpause(dag)


def problems(stack: Stack, *, settled: bool) -> list[str]:
    """What keeps syncs from being up to date, with the remedies.

    Args:
        stack: The running stack.
        settled: Whether polling had the time to begin.
    """
    try:
        found = stripe_sync.check_syncs(stack.warehouse_url)
    except stripe_sync.WarehouseError as error:
        return [str(error)]
    return [str(each) for each in found if settled or _NOT_POLLED not in each.text]


def watch(
    stack: Stack, first_runs: FirstRuns, known: Sequence[str], say: Callable[[str], None]
) -> None:
    """Report new problems until Ctrl-C.

    Raises:
        StackError: A process has ended.
    """
    began, told = time.monotonic(), set(known)
    for _ in _ticks(stack):
        if news := first_runs.go_on():
            say(news)
        found = problems(stack, settled=time.monotonic() - began > _SETTLED)
        for each in found:
            if each not in told:
                say(each)
        told = set(found)


def _ticks(stack: Stack) -> Iterator[None]:
    """An item every few seconds, and a look at the processes each second."""
    next_at = time.monotonic() + _EVERY
    while True:
        stack.processes.check()
        time.sleep(1)
        if time.monotonic() >= next_at:
            yield
            next_at = time.monotonic() + _EVERY


def _shortened(names: Sequence[str]) -> str:
    shown, more = ", ".join(names[:_NAMES_SHOWN]), len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
