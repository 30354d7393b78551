"""Stripe's form encoding of parameters: ``items[0][price]=price_1&metadata[note]=``.

Stripe has no null: the empty text unsets a field. Arrays are numbered from 0 without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from stripe_sync.errors import ConfigurationError

MAX_DEPTH = 20
"""Levels of nesting; Stripe's own parameters have fewer."""

_UNSET = ""


def encode(body: Mapping[str, Any]) -> str:
    """Encode the parameters of one request.

    Null and empty arrays and objects become the empty text, which unsets a field: ``metadata=``
    removes all metadata. Datetimes become Unix seconds; numbers never have an exponent. Parameters
    are sorted by name, so equal parameters have the same text.

    Args:
        body: Parameters, nested as in Stripe's documentation.

    Returns:
        The body of a POST, or the query string of a DELETE; ASCII.

    Raises:
        ConfigurationError: A value cannot be sent; ``param`` is its place, ``items[0].quantity``.
    """
    return "&".join(f"{name}={value}" for name, value in _pairs(body, "", "", 0))


def _pairs(value: Any, name: str, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        message = f"is nested more than {MAX_DEPTH} levels deep"
        raise _refusal(message, place)
    if isinstance(value, Mapping) and (value or not name):
        _check_keys(value, place)
        for key in sorted(value):
            part = _quoted(key, place, "has a key that is no valid Unicode text")
            inner = f"{place}.{key}" if place else key
            yield from _pairs(value[key], f"{name}[{part}]" if name else part, inner, depth + 1)
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            inner = f"{place}[{index}]"
            _check_item(item, inner)
            yield from _pairs(item, f"{name}[{index}]", inner, depth + 1)
    else:
        yield name, _quoted(_text(value, place), place)


def _check_keys(value: Mapping[Any, Any], place: str) -> None:
    for key in value:
        if not isinstance(key, str) or not key:
            message = "has a key that is no text or is empty"
            raise _refusal(message, place)
        if "[" in key or "]" in key:
            message = "has a key with brackets: nest objects and arrays instead"
            raise _refusal(message, f"{place}.{key}" if place else key)


def _check_item(item: Any, place: str) -> None:
    if item is None or (isinstance(item, Mapping | list | tuple) and not item):
        message = "is null or empty within an array, which Stripe cannot be sent: leave it out"
        raise _refusal(message, place)


def _text(value: Any, place: str) -> str:
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value, place)
    if isinstance(value, bytes | bytearray | memoryview | PurePath) or hasattr(value, "read"):
        message = "is a file: upload it with Stripe's Files API and give its id"
        raise _refusal(message, place)
    if isinstance(value, set | frozenset):
        message = "is a set, which has no order: give an array"
        raise _refusal(message, place)
    message = f"is of type {type(value).__name__}, which cannot be sent to Stripe"
    raise _refusal(message, place)


def _quoted(text: str, place: str, problem: str = "is no valid Unicode text") -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise _refusal(problem, place) from None


def _empty(_: Any, __: str) -> str:
    return _UNSET


def _boolean(value: bool, _: str) -> str:
    return "true" if value else "false"


def _integer(value: int, _: str) -> str:
    return str(int(value))


def _float(value: float, place: str) -> str:
    return _decimal(Decimal(float.__repr__(value)), place)


def _decimal(value: Decimal, place: str) -> str:
    if not value.is_finite():
        message = "is no finite number"
        raise _refusal(message, place)
    return format(value, "f")


def _seconds(value: datetime, place: str) -> str:
    if value.utcoffset() is None:
        message = "is a time without a time zone"
        raise _refusal(message, place)
    return str(math.floor(value.timestamp()))


def _date(_: date, place: str) -> str:
    message = "is a date: give a time with a time zone, or Unix seconds"
    raise _refusal(message, place)


def _as_is(value: str, _: str) -> str:
    return value


# The first type that matches decides: bool is an int, datetime is a date.
_CONVERSIONS: tuple[tuple[Any, Callable[[Any, str], str]], ...] = (
    ((type(None), Mapping, list, tuple), _empty),
    (str, _as_is),
    (bool, _boolean),
    (int, _integer),
    (float, _float),
    (Decimal, _decimal),
    (datetime, _seconds),
    (date, _date),
)


def _refusal(message: str, place: str) -> ConfigurationError:
    return ConfigurationError(f"{place or 'the record'} {message}", param=place or None)
