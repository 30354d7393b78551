"""Items as rows: JSON objects with a key for each column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from stripe_sync.consumers.sinks.postgres.settings import ColumnType, TypedColumn
from stripe_sync.consumers.sinks.postgres.table import Target
from stripe_sync.records import canonical_json
from stripe_sync.streams.items import StreamItem
from stripe_sync.warehouse.writing.jsonb_text import exact_text, for_jsonb

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON = ("changes", "upsert_opts")
_LARGEST = 2**63


class UnfitValue(ValueError):
    """A field is not of the type of its column."""


def row_of(target: Target, item: StreamItem) -> bytes:
    """The row of an item as JSON.

    Raises:
        UnfitValue: A field does not fit its typed column; the message names both.
    """
    values = item.json()
    name = target.object_column
    obj = values[name]
    for key in _JSON:
        if values.get(key) is not None:
            values[key] = canonical_json.part(_jsonb(values[key]))
    text = canonical_json.canonical(obj)
    jsonb = for_jsonb(text)
    exact = exact_text(text, jsonb)
    values[name] = canonical_json.part(jsonb.decode())
    values[f"{name}_exact"] = None if exact is None else exact.decode()
    for column, typed in target.typed.items():
        values[column] = _typed_value(column, typed, obj)
    return canonical_json.dumps(values)


def array_of(rows: Sequence[bytes]) -> str:
    """Rows as one JSON array."""
    return (b"[" + b",".join(rows) + b"]").decode()


def _jsonb(value: Any) -> str:
    return for_jsonb(canonical_json.canonical(value)).decode()


def _typed_value(name: str, column: TypedColumn, obj: Any) -> Any:
    value = _field(obj, column.path)
    if value is None:
        return None
    try:
        return _CONVERT[column.type](value)
    except (ValueError, TypeError, OverflowError, InvalidOperation):
        message = f"{'.'.join(column.path)} is no {column.type}, as column {name} needs"
        raise UnfitValue(message) from None


def _field(obj: Any, path: Sequence[str]) -> Any:
    """The field of an object; None where it is missing."""
    for key in path:
        if isinstance(obj, Mapping):
            obj = obj.get(key)
        elif isinstance(obj, list) and key.isdecimal():
            obj = obj[int(key)] if int(key) < len(obj) else None
        else:
            return None
    return obj


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else _jsonb(value)
    # PostgreSQL has no text with NUL or halves of surrogate pairs.
    return text.replace("\0", "�").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _numeric(value: Any) -> str:
    """A number, or a text that is one: Stripe writes fractions as texts."""
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(str(value)) if isinstance(value, (int, float, str, Decimal)) else None
    if number is None or not number.is_finite():
        raise ValueError
    return str(number)


def _bigint(value: Any) -> str:
    number = Decimal(_numeric(value))
    if number != number.to_integral_value() or not -_LARGEST <= number < _LARGEST:
        raise ValueError
    return str(int(number))


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _timestamptz(value: Any) -> str:
    return (_EPOCH + timedelta(seconds=int(_bigint(value)))).isoformat()


_CONVERT: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.TEXT: _text,
    ColumnType.BIGINT: _bigint,
    ColumnType.NUMERIC: _numeric,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIMESTAMPTZ: _timestamptz,
}
