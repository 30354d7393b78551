"""The one JSON helper: parse, write, canonical form, hash.

What orjson cannot hold exactly (integers beyond 64 bits, numbers that no double equals, halves of a
surrogate pair) takes a slower way. Each text that is JSON by its grammar keeps its value.
"""

from __future__ import annotations

import base64
import hashlib
import re
from decimal import Decimal
from json import JSONDecoder
from json.encoder import encode_basestring
from typing import Any, Never

import orjson

JsonObject = dict[str, Any]

MAX_DEPTH = 254
"""Levels of arrays and objects in canonical JSON: what recursive code can follow."""

_DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
# A double holds any number of up to 15 digits, an integer of 64 bits any of up to 18.
_LONG_RUN = b"0" * 17
_LONG_NUMBER = re.compile(rb"[:\[,\s]-?[\d.]{17}")
_LONGEST_INT = 4_000  # digits; Python refuses to convert more than 4,300


def loads(text: bytes | str) -> Any:
    """Parse JSON. Numbers stay exact: those that neither int nor float equals become a Decimal.

    Raises:
        ValueError: The text is not (whole) JSON, or nested too deeply to be parsed.
    """
    encoded = text.encode() if isinstance(text, str) else text
    try:
        value = orjson.loads(encoded)
    except ValueError:
        return _loads_exactly(encoded)
    if _LONG_RUN in encoded.translate(_DIGITS) and _LONG_NUMBER.search(encoded):
        return _loads_exactly(encoded)
    return value


def dumps(value: Any) -> bytes:
    """Write JSON as compact UTF-8, in the order of the keys."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _dumps_exactly(value, sort_keys=False)


def part(json_text: str) -> Any:
    """JSON text that ``dumps`` writes as it is, as a part of another value."""
    return orjson.Fragment(json_text)


def canonical(value: Any) -> bytes:
    """Write JSON in canonical form: compact UTF-8, keys sorted at every level.

    Raises:
        ValueError: It is nested more than ``MAX_DEPTH`` levels deep.
    """
    try:
        # The copy has the length of the text; the object that orjson returns keeps a buffer of
        # eight times that, too much for thousands of texts that wait to be loaded.
        return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))
    except TypeError:
        return _dumps_exactly(value, sort_keys=True, depth=MAX_DEPTH)


def payload_hash(canonical_json: bytes) -> str:
    """Base64 of the MD5 of a canonical JSON text (the streams' ``payload_hash``)."""
    digest = hashlib.md5(canonical_json, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def copied(obj: JsonObject | None) -> JsonObject:
    """A deep copy of a JSON object, ten times as fast as ``copy.deepcopy``."""
    copy: JsonObject = loads(dumps(obj))
    return copy


def _loads_exactly(encoded: bytes) -> Any:
    try:
        return _EXACT.decode(encoded.decode())
    except (RecursionError, ArithmeticError) as error:
        message = f"no JSON that can be held: {error}"
        raise ValueError(message) from error


def _parse_int(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INT else Decimal(digits)


def _parse_float(digits: str) -> float | Decimal:
    number, exact = float(digits), Decimal(digits)
    return number if Decimal(repr(number)) == exact else exact


def _refuse(constant: str) -> Never:
    message = f"{constant} is not JSON"
    raise ValueError(message)


_EXACT = JSONDecoder(parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse)


class _Text(str):
    """JSON text among values that are still to be written."""

    __slots__ = ()


_LEVELS = {"{": 1, "[": 1, "}": -1, "]": -1}


def _dumps_exactly(value: Any, *, sort_keys: bool, depth: int | None = None) -> bytes:
    """Write JSON of any depth, or of at most this one, from what ``loads`` returns."""
    parts: list[str] = []
    level = 0
    # In reverse order: the next one to write is the last.
    todo: list[Any] = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, _Text):
            parts.append(each)
            level += _LEVELS.get(each, 0)
            if depth is not None and level > depth:
                message = f"nested more than {depth} levels deep"
                raise ValueError(message)
        elif isinstance(each, dict):
            keys = sorted(each) if sort_keys else list(each)
            todo.append(_Text("}"))
            for index in range(len(keys) - 1, -1, -1):
                todo += (
                    each[keys[index]],
                    _Text(f"{',' * (index > 0)}{encode_basestring(keys[index])}:"),
                )
            todo.append(_Text("{"))
        elif isinstance(each, list):
            todo.append(_Text("]"))
            for index in range(len(each) - 1, -1, -1):
                todo += (each[index], _Text("," * (index > 0)))
            todo.append(_Text("["))
        else:
            parts.append(_scalar(each))
    # Only halves of surrogate pairs have no UTF-8; they are in strings, where JSON has an escape.
    return "".join(parts).encode("utf-8", "backslashreplace")


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    return orjson.dumps(value).decode()
