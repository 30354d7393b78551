"""Arguments of operators, the sensor and environment variables, as values or as rendered text."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from stripe_sync import ConfigurationError

_UNSET = ("", "none", "null")


def is_unset(value: object) -> bool:
    """Whether a value is None or a text of "no value": a template renders None as ``None``."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _UNSET)


def is_literal(value: object) -> bool:
    """Whether a value is a text as it will be used, not a template of one."""
    return isinstance(value, str) and "{{" not in value and "{%" not in value


def parse_names(value: Sequence[str] | str | None, argument: str) -> list[str]:
    """Names from an argument or template.

    Args:
        value: A list, a list as text (``["eu", "us"]``), or names separated by commas. None, empty
            text and an empty list are no names.
        argument: What messages call it.

    Raises:
        ConfigurationError: It is no list of names.
    """
    names: object = () if is_unset(value) else value
    if isinstance(names, str) and names.strip().startswith("["):
        names = _parse_list(names)
    elif isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        msg = f'{argument} must be names such as "eu, us" or ["eu", "us"], not {value!r}'
        raise ConfigurationError(msg, param=argument)
    return list(names)


def parse_records(value: Any) -> list[Any]:
    """Records from an argument or template; what is in them is checked later.

    Args:
        value: A list, an XCom that is one, or a list as text: JSON, or Python's.

    Raises:
        ConfigurationError: It is no list. The message does not repeat it.
    """
    found = _parse_list(value) if isinstance(value, str) else value
    if not isinstance(found, Sequence) or isinstance(found, str):
        msg = "records must be an array of objects, or a template of one"
        raise ConfigurationError(msg, param="records")
    return list(found)


def _parse_list(text: str) -> object:
    """A list from JSON, or from the text that a template made of a Python list; None for others."""
    for parse in (orjson.loads, ast.literal_eval):
        try:
            return parse(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


@dataclass(frozen=True, slots=True)
class NumberArgument:
    """A number with a rule.

    Attributes:
        name: What messages call it.
        rule: The rule in words: "must be …".
        holds: Whether a finite number follows the rule.
    """

    name: str
    rule: str
    holds: Callable[[float], bool]

    def parse(self, value: object) -> float:
        """The number, from a number or from text.

        Raises:
            ConfigurationError: It is no number, or breaks the rule.
        """
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not (math.isfinite(number) and self.holds(number)):
            msg = f"{self.name} must be {self.rule}, not {value!r}"
            raise ConfigurationError(msg)
        return number

    def parse_optional(self, value: object) -> float | None:
        """The number; None for None and for the texts ``""``, ``"None"`` and ``"null"``.

        Raises:
            ConfigurationError: It is no number, or breaks the rule.
        """
        return None if is_unset(value) else self.parse(value)

    def check_literal(self, value: object) -> None:
        """Check a value while the DAG is parsed; what Airflow renders later is not checked yet.

        Raises:
            ConfigurationError: It is a number or plain text, and no number or against the rule.
        """
        if isinstance(value, int | float) or is_literal(value):
            self.parse_optional(value)


def at_least(name: str, minimum: int) -> NumberArgument:
    """A number that has a minimum."""
    return NumberArgument(name, f"a number of at least {minimum}", lambda n: n >= minimum)


def above_zero(name: str) -> NumberArgument:
    """A number above 0."""
    return NumberArgument(name, "a number above 0", lambda n: n > 0)


def whole(name: str, minimum: int) -> NumberArgument:
    """A whole number that has a minimum."""
    rule = f"a whole number of at least {minimum}"
    return NumberArgument(name, rule, lambda n: n >= minimum and n.is_integer())
