"""What many viewers of a page share: one question a second to the warehouse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Lock
from typing import Any, Generic, ParamSpec, TypeVar

from cachetools import LRUCache, TTLCache

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_SECONDS = 1.0
_MOST_ANSWERS = 512


class _Call(Generic[Answer]):
    """One call, for all who ask for its answer."""

    def __init__(self) -> None:
        self.answer: Future[Answer] = Future()
        self._ended_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether its answer is too old."""
        return self.answer.done() and time.monotonic() - self._ended_at >= _SECONDS

    def run(self, function: Callable[[], Answer]) -> None:
        """Find the answer; an exception is one, too."""
        try:
            found = function()
        except BaseException as error:  # noqa: BLE001 - raised for all who ask
            self._ended_at = time.monotonic()
            self.answer.set_exception(error)
        else:
            self._ended_at = time.monotonic()
            self.answer.set_result(found)


class Shared(Generic[Arguments, Answer]):
    """A function whose answer is kept for a second; see :func:`once_a_second`.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[Arguments, Answer]) -> None:
        self._function = function
        self._calls: LRUCache[Any, _Call[Answer]] = LRUCache(_MOST_ANSWERS)
        self._lock = Lock()

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        """The answer, at most a second old."""
        key = args, tuple(kwargs.items())
        with self._lock:
            call = self._calls.get(key)
            is_new = call is None or call.is_over
            if call is None or is_new:
                call = self._calls[key] = _Call()
        if is_new:
            call.run(lambda: self._function(*args, **kwargs))
        return call.answer.result()

    def forget(self) -> None:
        """Ask anew at the next call, because what it answers has just been changed here."""
        with self._lock:
            self._calls.clear()


def once_a_second(function: Callable[Arguments, Answer]) -> Shared[Arguments, Answer]:
    """A function whose answer is kept for a second, for each choice of arguments.

    Callers who ask at the same time wait for one call. An exception is kept as well: where the
    warehouse does not answer, nobody waits for it after another. The answer is shared between
    threads: do not change it.
    """
    return Shared(function)


class SharedTask(Generic[Arguments, Answer]):
    """A coroutine function whose answer is kept for a second; see :func:`task_once_a_second`.

    Args:
        function: The coroutine function.
    """

    def __init__(self, function: Callable[Arguments, Coroutine[Any, Any, Answer]]) -> None:
        self._function = function
        self._tasks: TTLCache[Any, asyncio.Task[Answer]] = TTLCache(_MOST_ANSWERS, _SECONDS)

    async def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        """The answer to a question that was asked at most a second ago."""
        key = args, tuple(kwargs.items())
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._function(*args, **kwargs))
            # Retrieved here as well: all who asked may be gone.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # A viewer that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Ask anew at the next call, because what it answers has just been changed here."""
        self._tasks.clear()


def task_once_a_second(
    function: Callable[Arguments, Coroutine[Any, Any, Answer]],
) -> SharedTask[Arguments, Answer]:
    """The same for a coroutine function, in one event loop."""
    return SharedTask(function)
