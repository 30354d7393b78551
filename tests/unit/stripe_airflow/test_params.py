"""Parameters of the DAGs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stripe_airflow.params import backfill_params, parse_since, parse_syncs
from stripe_sync.catalog import load_catalog
from stripe_sync.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("", None),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_since_is_a_date_or_a_time(text: str | None, moment: datetime | None) -> None:
    assert parse_since(text) == moment


def test_a_since_that_is_no_date_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not 'yesterday'"):
        parse_since("yesterday")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, []),
        ("", []),
        ("[]", []),
        ((), []),
        (("eu", "us"), ["eu", "us"]),
        ("eu", ["eu"]),
        (" eu, us,", ["eu", "us"]),
        ('["eu", "us"]', ["eu", "us"]),
        (" ['eu', 'us'] ", ["eu", "us"]),
    ],
)
def test_syncs_are_a_list_or_text(value: list[str] | str | None, names: list[str]) -> None:
    assert parse_syncs(value) == names


@pytest.mark.parametrize("value", ["[eu]", "[1, 2]", '["eu"', [1], 5])
def test_syncs_that_are_no_names_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="syncs must be names such as"):
        parse_syncs(value)


def test_the_form_offers_every_collection_by_its_title() -> None:
    schema = backfill_params()["collections"].schema

    assert len(schema["examples"]) == len(load_catalog())
    assert schema["values_display"]["customer"] == "Customer"
    assert set(schema["values_display"]) == set(schema["examples"])
