"""What a call to write may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync import ConfigurationError, Mutation, RunOptions


@pytest.mark.parametrize("key", ["", "  ", "\ud800", 7, b"order 7"])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Mutation("customer", "create", [{"name": "Once"}], key=key)
    assert caught.value.param == "key"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"await_seconds": "30"}, "await_timeout"),
        ({"await_seconds": None}, "await_timeout"),
        ({"await_seconds": float("nan")}, "await_timeout"),
        ({"await_consumers": "lake"}, "await_consumers"),
        ({"await_consumers": ["lake", None]}, "await_consumers"),
        ({"on_error": "abort"}, "on_error"),
    ],
)
def test_options_that_are_none_are_refused(options: Any, param: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RunOptions(**options)
    assert caught.value.param == param
