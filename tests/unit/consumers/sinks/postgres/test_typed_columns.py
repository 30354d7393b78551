from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from stripe_sync.consumers.sinks.postgres.rows import UnfitValue, row_of
from stripe_sync.consumers.sinks.postgres.settings import PostgresSettings
from stripe_sync.consumers.sinks.postgres.table import target_of
from stripe_sync.records import canonical_json, ids
from stripe_sync.streams.items import StreamItem
from stripe_sync.streams.selection import Stream


def typed(kind: str, obj: Any, path: Any = "value") -> Any:
    settings = PostgresSettings.model_validate(
        {"typed_columns": {"it": {"path": path, "type": kind}}}
    )
    body = canonical_json.dumps({"payload": obj, "upsert_opts": None})
    item = StreamItem(ids.sync_id("main"), 1, body, "stripe:customer", "cus_1")
    return canonical_json.loads(row_of(target_of(settings, Stream.RECORDS), item))["it"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "plain", "plain"),
        ("text", "nul\0", "nul�"),
        ("text", "half \ud800", "half �"),
        ("text", {"b": 1, "a": [2]}, '{"a":[2],"b":1}'),
        ("text", 5, "5"),
        ("bigint", 2**63 - 1, str(2**63 - 1)),
        ("bigint", -(2**63), str(-(2**63))),
        ("bigint", "12", "12"),
        ("numeric", "12.50", "12.50"),
        ("numeric", Decimal("0.12345678901234567890"), "0.12345678901234567890"),
        ("boolean", True, True),
        ("timestamptz", 0, "1970-01-01T00:00:00+00:00"),
        ("timestamptz", -86_400, "1969-12-31T00:00:00+00:00"),
    ],
)
def test_a_field_is_of_the_type_of_its_column(kind: str, value: Any, expected: Any) -> None:
    assert typed(kind, {"value": value}) == expected


@pytest.mark.parametrize("kind", ["text", "bigint", "numeric", "boolean", "timestamptz"])
@pytest.mark.parametrize("obj", [{}, {"value": None}, {"other": 1}])
def test_a_missing_field_is_null(kind: str, obj: Any) -> None:
    assert typed(kind, obj) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", 2**63),
        ("bigint", 1.5),
        ("bigint", True),
        ("bigint", "secret"),
        ("numeric", "secret"),
        ("numeric", "NaN"),
        ("numeric", []),
        ("boolean", 1),
        ("boolean", "true"),
        ("timestamptz", 2**60),
        ("timestamptz", "2026-01-01"),
    ],
)
def test_a_field_of_another_type_is_refused_without_its_value(kind: str, value: Any) -> None:
    with pytest.raises(UnfitValue) as found:
        typed(kind, {"value": value})
    assert str(found.value) == f"value is no {kind}, as column it needs"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", "1"),
        ("list.1.x", "2"),
        (["dotted.key"], "3"),
        ("list.7.x", None),
        ("a.b.c", None),
        ("list.x", None),
    ],
)
def test_a_path_leads_into_objects_and_lists(path: Any, expected: str | None) -> None:
    obj = {"a": {"b": 1}, "list": [{}, {"x": 2}], "dotted.key": 3}
    assert typed("bigint", obj, path) == expected
