"""What many viewers of a page share: one question a second to the warehouse."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import Generic, ParamSpec, TypeVar

from cachetools import TTLCache, cached

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_SECONDS = 1.0
_MOST_ANSWERS = 512


class Shared(Generic[Arguments, Answer]):
    """A function whose answer is kept for a second; see :func:`once_a_second`.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[Arguments, Answer]) -> None:
        self._kept = cached(TTLCache(_MOST_ANSWERS, _SECONDS), condition=Condition())(function)

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        """The answer, at most a second old."""
        return self._kept(*args, **kwargs)

    def forget(self) -> None:
        """Ask anew at the next call, because what it answers has just been changed here."""
        self._kept.cache_clear()


def once_a_second(function: Callable[Arguments, Answer]) -> Shared[Arguments, Answer]:
    """A function whose answer is kept for a second, for each choice of arguments.

    Callers who ask at the same time wait for one call. An exception is not kept. The answer is
    shared between threads: do not change it.
    """
    return Shared(function)
