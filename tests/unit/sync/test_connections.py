"""The settings of a sync: which values are refused."""

from __future__ import annotations

import math

import pytest

from stripe_sync.catalog import PINNED_API_VERSION
from stripe_sync.errors import ConfigurationError
from stripe_sync.sync.connections import SyncSettings

WHOLE_NUMBERS = ["max_age_days", "keep_events_days"]
NUMBERS = [
    "requests_per_second",
    "total_requests_per_second",
    "endpoint_requests_per_second",
    "longest_poll_interval",
    "lake_flush_seconds",
]


@pytest.mark.parametrize("name", [*WHOLE_NUMBERS, *NUMBERS])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(name: str, value: bool) -> None:
    with pytest.raises(ConfigurationError, match=f"setting {name}: a number is needed, not true"):
        SyncSettings.parse({name: value})


@pytest.mark.parametrize("name", [*WHOLE_NUMBERS, *NUMBERS])
@pytest.mark.parametrize("value", [math.inf, math.nan, "inf", "nan", "Infinity", 0, -1])
def test_a_number_is_finite_and_above_zero(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"setting {name}:"):
        SyncSettings.parse({name: value})


@pytest.mark.parametrize("name", [*WHOLE_NUMBERS, *NUMBERS])
@pytest.mark.parametrize("value", [10**30, "1e18"])
def test_a_number_can_be_computed_with(name: str, value: object) -> None:
    """Views of all syncs compute dates and intervals with them."""
    with pytest.raises(ConfigurationError, match=f"setting {name}:"):
        SyncSettings.parse({name: value})


@pytest.mark.parametrize("version", [PINNED_API_VERSION, "2024-06-20", "2025-03-31.preview"])
def test_an_api_version_is_a_date_with_an_optional_name(version: str) -> None:
    assert SyncSettings.parse({"api_version": version}).api_version == version


@pytest.mark.parametrize("version", ["2026", "latest", "2026-10-28.", "v1", "2026-10-28\nX: y"])
def test_another_api_version_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match=r"setting api_version: a Stripe version such as"):
        SyncSettings.parse({"api_version": version})


@pytest.mark.parametrize("backfill", [0, -1, 1e-9, 1e18, math.inf, math.nan])
def test_a_limit_of_a_run_is_above_zero(backfill: float) -> None:
    with pytest.raises(ConfigurationError, match="requests_per_second must be a number above 0"):
        SyncSettings().limits(livemode=False, backfill=backfill)


def test_the_limit_of_a_run_precedes_the_setting() -> None:
    settings = SyncSettings(requests_per_second=5)

    assert settings.limits(livemode=False, backfill=3).backfill == 3
    assert settings.limits(livemode=False).backfill == 5
    assert SyncSettings().limits(livemode=False).backfill == 20


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        (None, {(True, True)}),
        (True, {(True, True), (True, False), (False, True), (False, False)}),
        (False, set()),
    ],
)
def test_who_must_approve_mutations(setting: bool | None, asked: set[tuple[bool, bool]]) -> None:
    """Pairs of live mode, and from the form."""
    settings = SyncSettings(approve_mutations=setting)
    every = [(live, form) for live in (True, False) for form in (True, False)]
    found = {
        (live, form)
        for live, form in every
        if settings.needs_approval(livemode=live, from_form=form)
    }
    assert found == asked
