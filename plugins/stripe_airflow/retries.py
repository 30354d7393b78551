"""Which errors Airflow retries, and what the tries of a task that writes have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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
            exception=[
                errors.ConfigurationError,
                errors.CatalogError,
                errors.InvalidRequest,
                errors.IdempotencyConflict,
            ],
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


def mutation_key(ti: Any) -> str:
    """Key of the mutation that a task instance runs: the same for all of its tries.

    Args:
        ti: The task instance, as the context has it.
    """
    return task_key(ti, ti.task_id, ti.map_index)


def task_key(ti: Any, task_id: str, map_index: int = -1) -> str:
    """Text that names a task of a task instance's run, the same for all of its tries.

    Args:
        ti: A task instance of the run, as the context has it.
        task_id: The task.
        map_index: Its map index; -1 where it is not mapped.
    """
    return f"airflow:{[ti.dag_id, ti.run_id, task_id, map_index]}"


def mutation_attempt(ti: Any) -> int:
    """A number that grows when a person clears a task instance, and never by a retry.

    Clearing a task instance gives it its ``retries`` again, on top of the tries that it had.

    Args:
        ti: The task instance, as the context has it.
    """
    return 1 + max(0, int(ti.max_tries) - int(ti.task.retries or 0))
