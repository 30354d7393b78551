"""One question for all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from stripe_airflow.ui.shared import once_a_second, task_once_a_second


def outcome(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except ConnectionError as error:
        return error


@pytest.mark.parametrize("answer", ["fine", ConnectionError("no answer")])
def test_all_who_ask_meanwhile_wait_for_one_call(answer: Any) -> None:
    asked, may_answer, calls = Event(), Event(), list[str]()

    @once_a_second
    def slow(name: str) -> str:
        calls.append(name)
        asked.set()
        may_answer.wait(10)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(outcome, lambda: slow("a"))
        assert asked.wait(10)
        others = [pool.submit(outcome, lambda: slow("a")) for _ in range(8)]
        may_answer.set()
        assert {each.result() for each in (first, *others)} == {answer}
        assert outcome(lambda: slow("a")) == answer  # at once, from the same call
    assert calls == ["a"]
    outcome(lambda: slow("b"))
    slow.forget()
    outcome(lambda: slow("a"))
    assert calls == ["a", "b", "a"]


def test_what_was_asked_before_a_change_is_not_kept_after_it() -> None:
    stored, asked, may_answer = ["old"], Event(), Event()

    @once_a_second
    def slow() -> str:
        found = stored[0]
        asked.set()
        may_answer.wait(10)
        return found

    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(slow)
        assert asked.wait(10)
        stored[0] = "new"
        slow.forget()
        may_answer.set()
        assert before.result() == "old"
    assert slow() == "new"


@pytest.mark.parametrize("answer", ["fine", ConnectionError("no answer")])
def test_tasks_are_shared_as_well(answer: Any) -> None:
    calls = list[str]()

    @task_once_a_second
    async def slow(name: str) -> str:
        calls.append(name)
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    async def ask() -> None:
        gone = asyncio.create_task(slow("a"))
        await asyncio.sleep(0)
        gone.cancel()
        found = await asyncio.gather(*(slow("a") for _ in range(5)), return_exceptions=True)
        assert found == [answer] * 5
        assert calls == ["a"]
        slow.forget()
        await asyncio.gather(slow("a"), return_exceptions=True)
        assert calls == ["a", "a"]

    asyncio.run(ask())
