"""The end of an event loop does not wait for what hangs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stripe_sync.sync.event_loop import run_to_end


def test_a_thread_that_hangs_does_not_delay_the_end() -> None:
    released, hanging = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        released.wait()

    async def run() -> str:
        task = asyncio.create_task(asyncio.to_thread(hang))
        await asyncio.to_thread(hanging.wait)
        task.cancel()
        return "done"

    try:
        assert run_to_end(run()) == "done"
        assert not released.is_set()
    finally:
        released.set()


def test_an_exception_is_raised() -> None:
    async def run() -> None:
        message = "odd"
        raise KeyError(message)

    with pytest.raises(KeyError, match="odd"):
        run_to_end(run())
