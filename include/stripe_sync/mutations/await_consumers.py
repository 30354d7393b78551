"""Wait until named consumers have read a change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from difflib import get_close_matches

from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.mutations.consumer_cursors import LAKE

_CHECK_SECONDS = 0.1


async def check_consumers(session: Session, names: Sequence[str]) -> None:
    """Check the names of consumers before anything is sent.

    Raises:
        ConfigurationError: There is no such consumer.
    """
    if not names:
        return
    known = await asyncio.to_thread(session.warehouse.consumer_cursors.names, session.sync.id)
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            names_known = ", ".join(sorted(known))
            hint = f"did you mean {close[0]}?" if close else f"there are {names_known}"
            message = f"there is no consumer {name!r}: {hint}"
            raise ConfigurationError(message, param="await_consumers")


async def await_consumers(
    session: Session, names: Sequence[str], seq: int, seconds: float
) -> list[str]:
    """Wait for consumers; returns those that have not read up to ``seq`` in time.

    Args:
        session: The open sync.
        names: The consumers.
        seq: Stream position of the newest change.
        seconds: Longest wait.
    """
    clock, find = session.clock, session.warehouse.consumer_cursors.behind
    end = clock.monotonic() + seconds
    # Pollers write to the lake every 30 seconds only.
    flush = None
    if LAKE in names:
        flush = asyncio.create_task(asyncio.to_thread(LakeFollower(session).flush))
    try:
        while True:
            late = await asyncio.to_thread(find, session.sync.id, names, seq)
            if not late or clock.monotonic() >= end:
                return late
            await clock.sleep(_CHECK_SECONDS)
    finally:
        if flush is not None:
            await asyncio.gather(flush, return_exceptions=True)
