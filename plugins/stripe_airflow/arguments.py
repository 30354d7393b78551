"""Numbers that operators, the sensor and environment variables are given, as values or as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from stripe_sync import ConfigurationError

_UNSET = ("", "none", "null")


def is_unset(value: object) -> bool:
    """Whether a value is None or a text of "no value": a template renders None as ``None``."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _UNSET)


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
        is_template = isinstance(value, str) and ("{{" in value or "{%" in value)
        if isinstance(value, str | int | float) and not is_template:
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
