"""Change events and payloads as people read them: old and new values, money, times, ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import orjson

from stripe_sync import load_catalog

_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
"""Numbers that orjson writes."""

CUT = 300
"""Characters of a value on a page with many of them."""

MOST_KEYS = 12
"""Changed keys of a change event; the record page has all."""

_ID = re.compile(r"[a-z]{2,12}_(?:[a-z]{2,10}_)?[A-Za-z0-9]{6,120}")
_TIME = re.compile(
    r"(?:^|_)(?:created|updated|at|until|end|start|date|from|to|expires|since|time|anchor"
    r"|available_on|evidence_due_by|due_by|next_payment_attempt)$"
)
_MONEY = re.compile(
    r"(?:^|_)(?:amount|total|subtotal|balance|fee|net|price|discount|tax|threshold|excluding_tax"
    r"|subtotal_excluding_tax|total_excluding_tax)$|^(?:amount|unit_amount|total|subtotal)_\w+$"
)
_FIRST_SECOND, _LAST_SECOND = 500_000_000, 4_102_444_800
"""Of 1985 and 2100: numbers between are times where the name says so."""

# https://docs.stripe.com/currencies; the views of the dbt project convert the same way.
_NO_DECIMALS = frozenset(
    (
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv"),
        *("xaf", "xof", "xpf"),
    )
)
_THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))

MAIN_FIELDS = (
    *("name", "email", "description", "status", "amount", "amount_due", "amount_paid"),
    *("total", "unit_amount", "currency", "customer", "subscription", "invoice", "payment_intent"),
    *("charge", "product", "price", "quantity", "type", "reason", "active", "created"),
    *("current_period_end", "due_date", "arrival_date"),
)
"""Fields that tell what an object is, the most telling first."""

_MOST_MAIN = 8
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is shown.

    Attributes:
        text: It as text; of an object or array its JSON.
        readable: The money or time that it stands for; empty where it is neither.
        object_id: The id of another object, where it is one.
        is_cut: Whether the text is only its beginning.
        is_empty: Whether there is nothing: null, or no such key.
    """

    text: str
    readable: str = ""
    object_id: str | None = None
    is_cut: bool = False
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One changed key.

    Attributes:
        path: ``address.city``, ``items.data.0.quantity``.
        old: Before.
        new: After.
    """

    path: str
    old: Value
    new: Value


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change event changed.

    Attributes:
        changes: Changed keys, for an update.
        more: Number of changed keys that are left out.
        fields: Main fields of the object, for a creation or deletion.
    """

    changes: list[Change]
    more: int
    fields: list[tuple[str, Value]]


def difference_of(event: Mapping[str, Any], *, most: int = MOST_KEYS) -> Difference:
    """What a change event changed.

    Args:
        event: The item of the event stream.
        most: Changed keys to return.
    """
    data = event["data"]
    if event["event_type"] != "updated":
        return Difference([], 0, main_fields(data))
    changes: list[Change] = []
    more = 0
    for path, old, new, around in _changed(event["changes"] or {}, data, ()):
        if len(changes) < most:
            name, currency = path[-1], currency_of(around, data)
            changes.append(
                Change(
                    ".".join(path)[:CUT],
                    value_of(name, old, currency),
                    value_of(name, new, currency),
                )
            )
        else:
            more += 1
    return Difference(changes, more, [])


def main_fields(data: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """The fields of an object that tell what it is."""
    found = [name for name in MAIN_FIELDS if _is_plain(data.get(name))]
    return [
        (name, value_of(name, data[name], currency_of(data, data))) for name in found[:_MOST_MAIN]
    ]


def value_of(name: str, value: Any, currency: str | None, *, cut: int = CUT) -> Value:
    """A value as it is shown.

    Args:
        name: Its key.
        value: It.
        currency: Currency of the object that has it.
        cut: Characters to show.
    """
    if value is None or value is _MISSING:
        return Value("null" if value is None else "not set", is_empty=True)
    text = value if isinstance(value, str) else json_text(value, cut)
    return Value(
        text[:cut],
        readable=readable(name, value, currency),
        object_id=value if isinstance(value, str) and is_object_id(value) else None,
        is_cut=len(text) > cut,
    )


def json_text(value: Any, cut: int | None = None, *, option: int | None = None) -> str:
    """A value as JSON. Of a long array or object only enough to fill ``cut`` characters.

    An item takes two characters at least, so more of them would be cut anyway.
    """
    if cut is not None and isinstance(value, list):
        value = value[:cut]
    elif cut is not None and isinstance(value, dict):
        value = {name: value[name] for name in list(value)[:cut]}
    try:
        return orjson.dumps(value, default=str, option=option).decode()
    except TypeError:
        return orjson.dumps(_with_long_numbers(value), default=str, option=option).decode()


def _with_long_numbers(value: Any) -> Any:
    """A value whose numbers of more than 64 bits are written as they are."""
    if isinstance(value, dict):
        return {name: _with_long_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_long_numbers(each) for each in value]
    is_long = isinstance(value, int) and not _LEAST <= value <= _MOST
    return orjson.Fragment(str(value)) if is_long else value


def readable(name: str, value: Any, currency: str | None) -> str:
    """The time or the money that a number stands for; empty where it is neither."""
    if not isinstance(value, int) or isinstance(value, bool):
        return ""
    if _FIRST_SECOND <= value < _LAST_SECOND and _TIME.search(name):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return money(value, currency) if currency and _MONEY.search(name) else ""


def money(minor_units: int, currency: str) -> str:
    """``12.50 USD`` for 1250 and ``usd``."""
    digits = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    return f"{Decimal(minor_units).scaleb(-digits):,.{digits}f} {currency.upper()}"


def currency_of(*objects: Any) -> str | None:
    """The currency of the first object that has one."""
    for each in objects:
        found = each.get("currency") if isinstance(each, dict) else None
        if isinstance(found, str) and found.isalpha() and len(found) == len("usd"):
            return found.lower()
    return None


def is_object_id(text: str) -> bool:
    """Whether a text looks like the id of an object that can be stored."""
    found = _ID.fullmatch(text)
    return found is not None and any(text.startswith(prefix) for prefix in id_prefixes())


@cache
def id_prefixes() -> Mapping[str, str | None]:
    """Collection by prefix of ids; None where several have it."""
    found: dict[str, str | None] = {}
    for collection in load_catalog().values():
        for prefix in collection.id_prefixes:
            found[prefix] = None if prefix in found else collection.id
    return found


def _is_plain(value: Any) -> bool:
    return value not in (None, "") and isinstance(value, str | int | float | bool)


def _changed(
    old: Mapping[str, Any], new: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any, Any, Any]]:
    """Path, old and new value of each changed key, and the object that has the key."""
    for name in sorted(old):
        before = old[name]
        after = new.get(name, _MISSING) if isinstance(new, dict) else _MISSING
        yield from _compared(before, after, (*path, name), new)


def _compared(
    before: Any, after: Any, path: tuple[str, ...], around: Any
) -> Iterator[tuple[tuple[str, ...], Any, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict) and before:
        yield from _changed(before, after, path)
    elif isinstance(before, list) and isinstance(after, list) and _same_objects(before, after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            for name in sorted(one.keys() | other.keys()):
                if one.get(name) != other.get(name):
                    place = (*path, str(index), name)
                    values = one.get(name, _MISSING), other.get(name, _MISSING)
                    yield from _compared(*values, place, other)
    else:
        yield path, before, after, around


def _same_objects(before: list[Any], after: list[Any]) -> bool:
    """Whether two arrays have the same objects, which can be compared one by one."""
    return (
        len(before) == len(after)
        and all(isinstance(each, dict) for each in (*before, *after))
        and [each.get("id") for each in before] == [each.get("id") for each in after]
    )
