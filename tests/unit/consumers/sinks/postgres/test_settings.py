from __future__ import annotations

import pytest

from stripe_sync import ConfigurationError
from stripe_sync.consumers.consumer import ConsumerSpec

NAME = "1 to 63 letters, digits and _"


def spec(**settings: object) -> ConsumerSpec:
    return ConsumerSpec.of(
        {"name": "copy", "kind": "postgres", "connection_id": "target", "settings": settings}
    )


@pytest.mark.parametrize(
    ("settings", "param", "message"),
    [
        ({"schema": "a.b"}, "settings.schema", NAME),
        ({"schema_name": "a"}, "settings.schema_name", "there is no such setting"),
        ({"table": "x" * 64}, "settings.table", NAME),
        ({"table": "nul\0"}, "settings.table", NAME),
        ({"table": "stripe_sync_cursors"}, "settings.table", "has the cursors"),
        (
            {"typed_columns": {"a b": {"path": "a", "type": "text"}}},
            "settings.typed_columns",
            NAME,
        ),
        (
            {"typed_columns": {"a": {"path": "a", "type": "money"}}},
            "settings.typed_columns.a.type",
            "bigint",
        ),
        ({"typed_columns": {"a": {"type": "text"}}}, "settings.typed_columns.a.path", "missing"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], param: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as found:
        spec(**settings)
    assert found.value.param == param


def test_a_typed_column_cannot_have_the_name_of_another_column() -> None:
    with pytest.raises(ConfigurationError, match="the table has a column seq of its own") as found:
        spec(typed_columns={"seq": {"path": "a", "type": "text"}})
    assert found.value.param == "settings.typed_columns"
