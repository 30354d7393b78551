"""How far a backfill has come and how fast it goes."""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sync.clock import Clock


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill has come.

    Attributes:
        collection: Short name.
        objects: Objects landed so far.
        requests: Requests made so far.
        percent: Share of the time range covered, None where the list has no time.
        seconds: Since this run's start.
        objects_per_second: Of this run.
        seconds_left: Until it is done, if it goes on as so far; None where that is not known.
    """

    collection: str
    objects: int
    requests: int
    percent: float | None
    seconds: float
    objects_per_second: float
    seconds_left: float | None


class ProgressTracker:
    """Measures one run of one collection.

    Args:
        collection: Short name.
        clock: Counts the seconds.
    """

    def __init__(self, collection: str, clock: Clock) -> None:
        self._collection = collection
        self._clock = clock
        self._began = clock.monotonic()
        self._objects = 0
        self._percent = 0.0

    def begin(self, objects: int, percent: float | None) -> None:
        """Note what an earlier run had done already."""
        self._objects, self._percent = objects, percent or 0.0

    def read(self, *, objects: int, requests: int, percent: float | None) -> Progress:
        """Progress at this moment.

        Args:
            objects: Objects landed so far, by earlier runs too.
            requests: Requests made so far, by earlier runs too.
            percent: Share done, None where it is not known.
        """
        seconds = self._clock.monotonic() - self._began
        left = None
        if percent is not None and percent > self._percent:
            left = seconds * (100 - percent) / (percent - self._percent)
        return Progress(
            collection=self._collection,
            objects=objects,
            requests=requests,
            percent=percent,
            seconds=seconds,
            objects_per_second=round((objects - self._objects) / max(seconds, 0.001), 1),
            seconds_left=left,
        )
