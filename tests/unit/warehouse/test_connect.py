from __future__ import annotations

from pathlib import Path

import pytest

from stripe_sync.errors import ConfigurationError, WarehouseError
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.connect import describe, open_connection, parse_url


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite:///x.db", "mysql://u:secret@h/d"])
def test_a_url_of_another_scheme_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://") as caught:
        Warehouse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:secret@db.example:6543/warehouse", "db.example:6543/warehouse"),
        ("postgresql://u:secret@db.example/warehouse", "db.example:5432/warehouse"),
        ("postgres://u@/warehouse?host=/run/pg", "/run/pg:5432/warehouse"),
    ],
)
def test_messages_name_the_warehouse_without_password(url: str, place: str) -> None:
    assert describe(parse_url(url)) == place


def test_an_unreachable_warehouse_is_a_clear_error(tmp_path: Path) -> None:
    url = f"postgresql://u:secret@/warehouse?host={tmp_path}"
    for attempt in (Warehouse(url).upgrade, lambda: open_connection(url)):
        with pytest.raises(WarehouseError, match="cannot reach the warehouse at") as caught:
            attempt()
        message = str(caught.value)
        assert str(tmp_path) in message
        assert "check that PostgreSQL runs there" in message
        assert "secret" not in message
        assert "sqlalche.me" not in message
