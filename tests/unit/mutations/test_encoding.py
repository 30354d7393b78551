"""Stripe's form encoding."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from stripe_sync.errors import ConfigurationError
from stripe_sync.mutations.encoding import MAX_DEPTH, encode

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "encoded"),
    [
        ({}, ""),
        ({"name": "Paul"}, "name=Paul"),
        ({"b": 1, "a": {"d": 2, "c": 3}}, "a[c]=3&a[d]=2&b=1"),
        ({"items": [{"price": "p"}, {"price": "q"}]}, "items[0][price]=p&items[1][price]=q"),
        ({"a": [[1, 2], (3,)]}, "a[0][0]=1&a[0][1]=2&a[1][0]=3"),
        ({"many": list(range(11))}, "&".join(f"many[{n}]={n}" for n in range(11))),
        ({"a": True, "b": {"c": False}, "d": [True]}, "a=true&b[c]=false&d[0]=true"),
        ({"a": None, "b": [], "c": {}, "d": ""}, "a=&b=&c=&d="),
        ({"metadata": {"k": None}, "a": {"b": [], "c": {}}}, "a[b]=&a[c]=&metadata[k]="),
        ({"in": [NOON], "o": {"t": NOON}}, "in[0]=1795694400&o[t]=1795694400"),
        ({"at": NOON.astimezone(timezone(timedelta(hours=-7)))}, "at=1795694400"),
        ({"at": NOON + timedelta(microseconds=999_999)}, "at=1795694400"),
        ({"n": 2**70, "z": 0, "m": -5}, f"m=-5&n={2**70}&z=0"),
        ({"n": [1e-7, 1e22, 0.1]}, "n[0]=0.0000001&n[1]=10000000000000000000000&n[2]=0.1"),
        ({"n": Decimal("1E+2"), "m": Decimal("0.10")}, "m=0.10&n=100"),
        ({"t": "a b&c=d+e/[é漢]\n"}, "t=a%20b%26c%3Dd%2Be%2F%5B%C3%A9%E6%BC%A2%5D%0A"),
        ({"metadata": {"ключ & c": "x"}}, "metadata[%D0%BA%D0%BB%D1%8E%D1%87%20%26%20c]=x"),
    ],
)  # fmt: skip
def test_encodes_as_stripe_reads(body: Mapping[str, Any], encoded: str) -> None:
    assert encode(body) == encoded


def test_equal_parameters_have_one_text() -> None:
    first = {"name": "x", "metadata": {"b": "2", "a": "1"}}
    second = {"metadata": {"a": "1", "b": "2"}, "name": "x"}
    assert encode(first) == encode(second)


def test_every_text_arrives_as_it_was() -> None:
    text = "".join(map(chr, [*range(1, 0xD800), 0xFFFD, 0x1F680]))
    assert parse_qsl(encode({"a": text}), keep_blank_values=True) == [("a", text)]


NESTED: Any = 1
for _ in range(MAX_DEPTH + 1):
    NESTED = {"a": NESTED}


@pytest.mark.parametrize(
    ("body", "param", "cause"),
    [
        ({"a": [1, None]}, "a[1]", "null or empty within an array"),
        ({"a": {"b": [[]]}}, "a.b[0]", "null or empty within an array"),
        ({"a": [{}]}, "a[0]", "null or empty within an array"),
        ({"a": {1, 2}}, "a", "is a set"),
        ({"a": [frozenset()]}, "a[0]", "is a set"),
        ({"a": b"x"}, "a", "is a file"),
        ({"a": bytearray()}, "a", "is a file"),
        ({"a": {"f": io.BytesIO(b"x")}}, "a.f", "Files API"),
        ({"a": Path("x.pdf")}, "a", "is a file"),
        ({"a": float("nan")}, "a", "no finite number"),
        ({"a": [float("-inf")]}, "a[0]", "no finite number"),
        ({"a": Decimal("NaN")}, "a", "no finite number"),
        ({"a": datetime(2026, 1, 1)}, "a", "without a time zone"),  # noqa: DTZ001
        ({"a": date(2026, 1, 1)}, "a", "is a date"),
        ({"a": object()}, "a", "of type object"),
        ({"a": 1j}, "a", "of type complex"),
        ({"a": "\ud800"}, "a", "no valid Unicode"),
        ({"a": {"\udfff": "x"}}, "a", "a key that is no valid Unicode"),
        ({"\ud800": "x"}, None, "a key that is no valid Unicode"),
        ({"a": {1: "x"}}, "a", "has a key that is no text"),
        ({"": "x"}, None, "has a key that is no text or is empty"),
        ({"items[0][price]": "x"}, "items[0][price]", "has a key with brackets"),
        ({"metadata": {"a]": "x"}}, "metadata.a]", "has a key with brackets"),
        (NESTED, ".".join("a" * (MAX_DEPTH + 1)), "levels deep"),
    ],
)
def test_refuses_what_cannot_be_sent(body: Any, param: str | None, cause: str) -> None:
    with pytest.raises(ConfigurationError, match=cause) as refused:
        encode(body)
    assert refused.value.param == param
