"""An event loop whose end does not wait for what hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 32
"""Blocking calls that run at a time."""

Result = TypeVar("Result")


def run_to_end(run: Coroutine[None, None, Result]) -> Result:
    """Run a coroutine like ``asyncio.run``, without waiting for threads that hang.

    A thread cannot be cancelled; it ends with the process.
    """
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="stripe-sync")
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_default_executor(threads)
        try:
            return runner.run(run)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            # The runner would wait for the threads of its default executor.
            loop.set_default_executor(ThreadPoolExecutor(1))
