"""What many viewers of a page share: one question a second to the warehouse."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import ParamSpec, TypeVar

from cachetools import TTLCache, cached

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_SECONDS = 1.0
_MOST_ANSWERS = 512


def once_a_second(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """A function whose answer is kept for a second, for each choice of arguments.

    Callers who ask at the same time wait for one call. An exception is not kept. The answer is
    shared between threads: do not change it.
    """
    return cached(TTLCache(_MOST_ANSWERS, _SECONDS), condition=Condition())(function)
