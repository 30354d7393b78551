"""Garbage collector and thread switching for bulk work."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (50_000, 20, 100)
_SWITCH_SECONDS = 0.0005


@contextmanager
def bulk_mode() -> Iterator[None]:
    """Collect garbage rarely and switch threads often while the block runs.

    Parsed JSON consists of millions of containers that are never part of a cycle: scanning them
    takes a fifth of the CPU time of reading a list. And while one thread prepares rows, the event
    loop must run at least every 0.5 ms, or requests miss their slots.
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
