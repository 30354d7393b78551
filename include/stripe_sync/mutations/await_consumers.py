"""Wait until named consumers have read a change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial

from stripe_sync.errors import ConfigurationError, SyncNotFound
from stripe_sync.sync.lake_follower import LakeFollower
from stripe_sync.sync.session import Session
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.consumers.cursors import LAKE

_CHECK_SECONDS = 0.1
_CHECK_SECONDS_OF_LONG_WAITS = 1.0


async def check_consumers(session: Session, names: Sequence[str]) -> None:
    """Check the names of consumers before anything is sent.

    Raises:
        ConfigurationError: There is no such consumer.
    """
    if not names:
        return
    known = await asyncio.to_thread(session.warehouse.consumer_cursors.names)
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            names_known = ", ".join(sorted(known))
            hint = f"did you mean {close[0]}?" if close else f"there are {names_known}"
            message = f"there is no consumer {name!r}: {hint}"
            raise ConfigurationError(message, param="await_consumers")


async def await_consumers(
    session: Session,
    names: Sequence[str],
    seqs: Sequence[int],
    *,
    collection_id: str,
    seconds: float,
) -> list[str]:
    """Wait for consumers; returns those that do not have the changes.

    A consumer that is paused, or whose target does not answer, is not waited for.

    Args:
        session: The open sync.
        names: The consumers.
        seqs: Stream positions of the changes.
        collection_id: Collection of the changed objects.
        seconds: Longest wait.
    """
    # Pollers write to the lake every few minutes only.
    flush = None
    if LAKE in names:
        flush = asyncio.create_task(asyncio.to_thread(LakeFollower(session).flush))
    try:
        find = partial(session.warehouse.consumer_cursors.behind, session.sync.id, names, seqs)
        return await _wait(partial(find, collection_id), seconds, _CHECK_SECONDS)
    finally:
        if flush is not None:
            await asyncio.gather(flush, return_exceptions=True)


async def _wait(find: Callable[[], Mapping[str, bool]], seconds: float, pause: float) -> list[str]:
    end = time.monotonic() + seconds
    while True:
        behind = await asyncio.to_thread(find)
        if not any(behind.values()) or time.monotonic() >= end:
            return list(behind)
        await asyncio.sleep(pause)


async def wait_for_consumers(
    warehouse_url: str,
    sync: str,
    names: Sequence[str],
    seq: int,
    *,
    collection_id: str,
    seconds: float,
) -> list[str]:
    """Go on waiting for consumers without a session, in a process that waits for many.

    Args:
        warehouse_url: ``postgresql://…``.
        sync: Name of the sync.
        names: Consumers that a mutation has reported as late.
        seq: ``MutationReport.seq``.
        collection_id: ``MutationReport.collection_id``.
        seconds: Longest wait.

    Returns:
        Those that have not read up to ``seq`` in time.

    Raises:
        SyncNotFound: There is no such sync.
        WarehouseError: The warehouse cannot be reached.
    """
    with Warehouse(warehouse_url, kept_open=1) as warehouse:
        stored = await asyncio.to_thread(warehouse.syncs.find, sync)
        if stored is None:
            message = f"there is no sync {sync}"
            raise SyncNotFound(message)
        find = partial(
            warehouse.consumer_cursors.behind,
            *(stored.id, names, [seq], collection_id),
            all_before=True,
        )
        return await _wait(find, seconds, _CHECK_SECONDS_OF_LONG_WAITS)
