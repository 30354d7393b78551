"""Progress of a run: objects, percent, speed, time left."""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sync.clock import Clock


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one collection.

    Attributes:
        collection: Short name.
        objects: Objects stored so far.
        requests: Requests made so far.
        percent: 0 to 100, share of the time range; None for lists without times.
        seconds: Seconds since this run's start.
        objects_per_second: Speed of this run.
        seconds_left: Estimated seconds until the end; None where unknown.
    """

    collection: str
    objects: int
    requests: int
    percent: float | None
    seconds: float
    objects_per_second: float
    seconds_left: float | None


class ProgressTracker:
    """Measures the progress of one run.

    Args:
        collection: Short name.
        clock: Monotonic clock.
    """

    def __init__(self, collection: str, clock: Clock) -> None:
        self._collection = collection
        self._clock = clock
        self._began = clock.monotonic()
        self._objects = 0
        self._percent = 0.0

    def begin(self, objects: int, percent: float | None) -> None:
        """Start from what an earlier run reached."""
        self._objects, self._percent = objects, percent or 0.0

    def read(self, *, objects: int, requests: int, percent: float | None) -> Progress:
        """The current progress.

        Args:
            objects: Objects stored so far, earlier runs included.
            requests: Requests made so far, earlier runs included.
            percent: 0 to 100; None where unknown.
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


def percent_covered(earliest: int | None, covered: int | None, *, until: int) -> float | None:
    """Share of a time range that is stored, 0 to 100; None for a list without times.

    Args:
        earliest: Unix seconds of the oldest object.
        covered: Unix seconds up to which all objects are stored.
        until: Unix seconds of the end of the range.
    """
    if earliest is None or covered is None:
        return None
    share = (covered - earliest) / max(until - earliest, 1)
    return round(100 * min(max(share, 0.0), 1.0), 1)
