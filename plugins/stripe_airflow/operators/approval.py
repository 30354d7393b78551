"""Asks a person to approve a mutation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

RESPONSE_TIMEOUT = timedelta(hours=24)


class StripeApprovalOperator(ApprovalOperator):
    """Waits for a person's answer under *Required Actions*; fails unless it is *Approve*.

    A rejection and a time-out are final: the task is not tried again. Subject and body are stored
    in Airflow and shown to everybody who may read the DAG: give counts and ids, never records. What
    is sent afterwards must not change meanwhile: prepare it before (``stripe_sync``'s
    ``prepare_mutation``), and give the task id to ``StripeMutationOperator(approval=…)``, which
    sends nothing if this task was only marked as successful.

    Args:
        subject: The question, in one line. May be a template.
        response_timeout: Longest wait; then it counts as rejected.
        **kwargs: Arguments of Airflow's ``ApprovalOperator``: ``body``, ``assigned_users``,
            ``notifiers``.
    """

    ui_color = "#fff3d6"

    def __init__(
        self, *, subject: str, response_timeout: timedelta = RESPONSE_TIMEOUT, **kwargs: Any
    ) -> None:
        super().__init__(
            subject=subject,
            response_timeout=response_timeout,
            # Without a default option a time-out would be retried, and ask again.
            defaults=self.REJECT,
            fail_on_reject=True,
            **kwargs,
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer.

        Raises:
            AirflowFailException: It was rejected, or nobody answered in time.
        """
        try:
            return super().execute_complete(context, event)
        except HITLRejectException as error:
            user = event.get("responded_by_user")
            cause = f"rejected by {_name(user)}" if user else "nobody approved it in time"
            msg = f"{cause}: nothing was sent"
            raise AirflowFailException(msg) from error


def check_approved(ti: Any, task_id: str) -> str:
    """Name of the person who approved in a task of the same run.

    Args:
        ti: The task instance that asks, as the context has it.
        task_id: Task of an ``ApprovalOperator``.

    Raises:
        AirflowFailException: Nobody did. A task that somebody marked as successful has no answer.
    """
    answer = ti.xcom_pull(task_ids=task_id)
    user = answer.get("responded_by_user") if isinstance(answer, Mapping) else None
    if not user or answer["chosen_options"] != [ApprovalOperator.APPROVE]:
        msg = (
            f"nobody approved this in the task {task_id!r}, and marking that task as successful is"
            " no approval: nothing was sent. Clear it and approve"
        )
        raise AirflowFailException(msg)
    return _name(user)


def _name(user: Any) -> str:
    return str(user.get("name") or user.get("id")) if isinstance(user, Mapping) else str(user)
