"""Python's interpreter, set for a process that reads and loads millions of objects at once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (50_000, 20, 100)
_SWITCH_SECONDS = 0.0005


@contextmanager
def bulk_mode() -> Iterator[None]:
    """Search seldom for garbage, change threads quickly, for as long as the block lasts.

    Parsed JSON is made of containers by the million that are never part of a cycle; searching them
    again and again is a fifth of the CPU time of reading a list. And while a thread prepares rows,
    the event loop must not wait long for its turn, or requests miss the moment they were given.
    """
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
