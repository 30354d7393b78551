"""Which errors Airflow retries."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from stripe_sync import errors

STRIPE_RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[
                errors.AuthenticationError,
                errors.PermissionDenied,
                errors.AccountDisconnected,
            ],
            action=RetryAction.FAIL,
            reason="the key stays invalid until somebody changes it",
        ),
        RetryRule(
            exception=[errors.ConfigurationError, errors.CatalogError, errors.InvalidRequest],
            action=RetryAction.FAIL,
            reason="the same request would be refused again",
        ),
        RetryRule(
            exception=[errors.RateLimited, errors.ObjectLocked],
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=30),
            reason="Stripe limits requests",
        ),
        RetryRule(
            exception=[errors.StripeUnavailable, errors.StripeUnreachable],
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=60),
            reason="Stripe did not answer",
        ),
        RetryRule(
            exception=[errors.WarehouseError, errors.LakeError],
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=20),
            reason="the warehouse or the lake could not be reached",
        ),
    ]
)
"""The first matching rule applies; other errors follow the task's ``retries``."""
