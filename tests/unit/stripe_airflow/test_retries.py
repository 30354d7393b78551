"""Which errors Airflow retries."""

from __future__ import annotations

import pytest
from airflow.sdk import RetryAction

from stripe_airflow.retries import STRIPE_RETRY_POLICY
from stripe_sync import errors


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.AuthenticationError("x"), RetryAction.FAIL),
        (errors.PermissionDenied("x"), RetryAction.FAIL),
        (errors.ConfigurationError("x"), RetryAction.FAIL),
        (errors.InvalidRequest("x"), RetryAction.FAIL),
        (errors.RateLimited("x", reason="global-rate"), RetryAction.RETRY),
        (errors.ObjectLocked("x"), RetryAction.RETRY),
        (errors.StripeUnavailable("x"), RetryAction.RETRY),
        (errors.StripeUnreachable("x"), RetryAction.RETRY),
        (errors.WarehouseError("x"), RetryAction.RETRY),
        (errors.SyncBusy("x"), RetryAction.RETRY),
        (errors.LakeError("x"), RetryAction.RETRY),
        (ValueError("x"), RetryAction.DEFAULT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.value,
)
def test_only_temporary_failures_are_retried(error: Exception, action: RetryAction) -> None:
    assert STRIPE_RETRY_POLICY.evaluate(error, 1, 3).action is action
