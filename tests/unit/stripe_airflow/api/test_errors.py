"""Every exception has an answer in Stripe's shape, without what a program should not tell."""

from __future__ import annotations

import pytest

from stripe_airflow.api.errors import answer
from stripe_sync import (
    ConfigurationError,
    InvalidRequest,
    LakeError,
    RateLimited,
    StripeUnavailable,
    StripeUnreachable,
    SyncBusy,
    SyncConflict,
    WarehouseError,
)
from stripe_sync.records.canonical_json import loads


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConfigurationError("a"), 400, "parameter_invalid"),
        (SyncConflict("a"), 409, "sync_conflict"),
        (SyncBusy("a"), 409, "sync_busy"),
        (InvalidRequest("a", code="resource_missing"), 422, "resource_missing"),
        (RateLimited("a", reason="global-rate"), 429, "rate_limit"),
        (StripeUnavailable("a"), 502, "stripe_unavailable"),
        (StripeUnreachable("a"), 504, "stripe_unreachable"),
        (WarehouseError("a"), 503, "warehouse_unavailable"),
        (LakeError("a"), 503, "lake_unavailable"),
        (KeyError("a"), 500, "internal_error"),
    ],
)
def test_each_kind_of_error_has_a_status(error: Exception, status: int, code: str) -> None:
    found = answer(error)
    body = loads(bytes(found.body))["error"]
    assert (found.status_code, body["code"]) == (status, code)
    assert body["type"] == ("api_error" if status >= 500 else "invalid_request_error")
    assert ("retry-after" in found.headers) == (status == 429)


def test_an_unknown_error_keeps_its_message_to_itself() -> None:
    body = bytes(answer(RuntimeError("password=hunter2")).body)
    assert b"hunter2" not in body
    assert b"see the log" in body


def test_keys_are_never_part_of_an_answer() -> None:
    key = "rk_live_" + "51H8abcdefghijklmnop"
    assert key.encode() not in bytes(answer(ConfigurationError(f"bad {key}", param=key)).body)
