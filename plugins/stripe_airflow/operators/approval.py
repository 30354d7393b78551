"""Asks a person to approve a mutation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

from stripe_airflow.arguments import is_unset
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import WAREHOUSE_CONN_ID, warehouse_url
from stripe_airflow.retries import task_key
from stripe_sync import ConfigurationError, scrubbed

if TYPE_CHECKING:
    from airflow.sdk import Context

    from stripe_sync import PreparedMutation

RESPONSE_TIMEOUT = timedelta(hours=24)

_SHOWN_IDS = 20
_PLAIN_ID = re.compile(r"[\w.-]{1,100}", re.ASCII)


class StripeApprovalOperator(ApprovalOperator):
    """Waits for a person's answer under *Required Actions*; fails unless it is *Approve*.

    A rejection and a time-out are final: the task is not tried again. Subject and body are stored
    in Airflow and shown to everybody who may read the DAG: give counts and ids, never records.

    The answer is stored in the warehouse: ``StripeMutationOperator(approval=…)`` with the id of
    this task sends nothing without it. XComs and task states, which users may edit, are no answer.
    What is sent afterwards must not change meanwhile: prepare it before (``stripe_sync``'s
    ``prepare_mutation``) and give its key as ``prepared``. Then the question is made from what is
    stored, and the answer is good for that mutation only.

    Args:
        subject: The question, in one line. May be a template. None with ``prepared``.
        prepared: Key of the prepared mutation that is asked about, if any.
        sync: Name of its sync.
        response_timeout: Longest wait; then it counts as rejected.
        warehouse_conn_id: Id of the warehouse's connection, of type ``postgres``.
        **kwargs: Arguments of Airflow's ``ApprovalOperator``: ``body``, ``assigned_users``,
            ``notifiers``.
    """

    template_fields: Sequence[str] = (
        *ApprovalOperator.template_fields,
        "prepared",
        "sync",
        "warehouse_conn_id",
    )
    ui_color = "#fff3d6"

    def __init__(
        self,
        *,
        subject: str | None = None,
        prepared: str | None = None,
        sync: str = "default",
        response_timeout: timedelta = RESPONSE_TIMEOUT,
        warehouse_conn_id: str = WAREHOUSE_CONN_ID,
        **kwargs: Any,
    ) -> None:
        if (subject is None) == (prepared is None):
            msg = "give either subject, or prepared: then the question is made from it"
            raise ConfigurationError(msg, param="subject")
        super().__init__(
            subject=subject or "",
            response_timeout=response_timeout,
            # Without a default option a time-out would be retried, and ask again.
            defaults=self.REJECT,
            fail_on_reject=True,
            **kwargs,
        )
        self.prepared = prepared
        self.sync = sync
        self.warehouse_conn_id = warehouse_conn_id
        self.is_prepared = prepared is not None

    def execute(self, context: Context) -> Any:
        """Ask."""
        from stripe_sync import ask_approval, find_prepared_mutation

        key = None
        if self.is_prepared:
            if is_unset(self.prepared):
                msg = "there is no prepared mutation: the task that prepares it has not run"
                raise AirflowFailException(msg)
            connections = connections_for(self.sync, warehouse_conn_id=self.warehouse_conn_id)
            found = find_prepared_mutation(connections, self.sync, str(self.prepared))
            key = found.key
            user = getattr(context["dag_run"], "triggering_user_name", None)
            self.subject, self.body = _question(self.sync, found, user)
        ask_approval(self._warehouse_url(), _question_key(context), key)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer.

        Raises:
            AirflowFailException: It was rejected, or nobody answered in time.
        """
        from stripe_sync import store_approval

        user = event.get("responded_by_user")
        try:
            answer = super().execute_complete(context, event)
        except HITLRejectException as error:
            cause = f"rejected by {_name(user)}" if user else "nobody approved it in time"
            msg = f"{cause}: nothing was sent"
            raise AirflowFailException(msg) from error
        if user:
            store_approval(self._warehouse_url(), _question_key(context), _name(user))
        return answer

    def _warehouse_url(self) -> str:
        return warehouse_url(self.warehouse_conn_id)


def check_approved(ti: Any, task_id: str, warehouse_conn_id: str, prepared: str | None) -> str:
    """Check that a person approved in a task of the same run.

    Args:
        ti: The task instance that asks, as the context has it.
        task_id: Task of a :class:`StripeApprovalOperator`; of a mapped one, that of the same map
            index.
        warehouse_conn_id: Id of the warehouse's connection.
        prepared: Key of the prepared mutation that is to be sent; None for none.

    Returns:
        The question, for ``stripe_sync.run_prepared_mutation``.

    Raises:
        AirflowFailException: Nobody did, or it was about another mutation. A task that somebody
            marked as successful has no answer.
    """
    from stripe_sync import find_approval

    url = warehouse_url(warehouse_conn_id)
    for map_index in dict.fromkeys((ti.map_index, -1)):
        question = task_key(ti, task_id, map_index)
        found = find_approval(url, question)
        if found and found.approved_by and found.mutation_key in {None, prepared}:
            return question
    msg = (
        f"nobody approved this in the task {task_id!r}, and marking that task as successful is"
        " no approval: nothing was sent. Clear it and approve"
    )
    raise AirflowFailException(msg)


def describe_prepared(sync: str, found: PreparedMutation) -> str:
    """What a prepared mutation writes, in a few words."""
    mode = "live mode" if found.livemode else "test mode"
    count = f"{found.records} record" + ("" if found.records == 1 else "s")
    return f"{found.kind} {count} of {found.collection_id}, sync {sync}, {mode}"


def _question(sync: str, found: PreparedMutation, user: str | None) -> tuple[str, str]:
    """Subject and body of the approval: counts and ids, since Airflow stores and shows them."""
    hours = int(RESPONSE_TIMEOUT.total_seconds() // 3600)
    lines = [
        f"- {describe_prepared(sync, found)}",
        *([f"- objects: {_ids(found)}"] if found.upstream_ids else []),
        f"- triggered by {user or 'a schedule or the command line'}",
        f"- key of the mutation: `{found.key}`",
        "",
        "**Approve** sends the requests as they are stored now. **Reject**, or no answer within"
        f" {hours} hours, sends nothing.",
    ]
    return f"Write to Stripe: {describe_prepared(sync, found)}?", "\n".join(lines)


def _ids(found: PreparedMutation) -> str:
    shown = [
        f"`{each}`" if _PLAIN_ID.fullmatch(each) and scrubbed(each) == each else "(an odd id)"
        for each in found.upstream_ids[:_SHOWN_IDS]
    ]
    more = len(found.upstream_ids) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _question_key(context: Context) -> str:
    ti: Any = context["ti"]
    return task_key(ti, ti.task_id, ti.map_index)


def _name(user: Any) -> str:
    return str(user.get("name") or user.get("id")) if isinstance(user, Mapping) else str(user)
