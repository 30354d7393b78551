"""Writes to Stripe and to the streams as an Airflow task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import timezone
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from stripe_airflow.arguments import (
    NumberArgument,
    is_literal,
    is_unset,
    parse_names,
    parse_records,
)
from stripe_airflow.operators.approval import check_approved
from stripe_airflow.operators.base import StripeSyncOperator
from stripe_airflow.retries import mutation_attempt, mutation_key
from stripe_airflow.triggers.consumers import ConsumersTrigger
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from stripe_sync import MutationReport, RunOptions

LONGEST_WAIT_IN_WORKER = 60
"""Seconds up to which even a deferrable task waits in its worker: deferring takes longer."""

_GRACE = timedelta(minutes=2)
"""What Airflow may take to begin a trigger and to go on after it."""

_LONGEST_WAIT = 600
_AWAIT_TIMEOUT = NumberArgument(
    "await_timeout",
    f"a number of seconds from 0 to {_LONGEST_WAIT}",
    lambda n: 0 <= n <= _LONGEST_WAIT,
)


class StripeMutationOperator(StripeSyncOperator):
    """Creates, updates or deletes objects in Stripe, and applies the result to the streams.

    When it ends, records and change events (source ``mutation``) are committed. Each request is
    stored before it is sent, under a key made of DAG id, run id, task id and map index: a retry of
    whatever kind continues where the last try stopped, sends what was stored even if a template
    now renders differently, and repeats nothing. A new run has a new run id, and writes again.

    The task fails if any record failed. What Stripe refused is final: automatic retries leave it
    alone, and it is sent again, as it is rendered then, only after a person has cleared the task.
    What has no known outcome is retried with the same key.

    Results hold ids and errors, no records: these are in the warehouse. ``records`` is rendered,
    but Airflow does not store the rendered value.

    Args:
        collection_id: Id of the collection: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action of the collection, such as ``cancel``,
            ``finalize`` or ``pay``. A refund is a ``create`` of ``stripe:refund``.
        records: 1 to 100 objects: Stripe's parameters, and beside them the ids that the request's
            path needs. A list whose values may be templates, an XCom, or a template of a list.
            None unsets a parameter.
        prepared: Instead of these three: key of a mutation that ``stripe_sync.prepare_mutation``
            stored; it is sent as it was stored.
        approval: Task id of a ``StripeApprovalOperator`` of the same run. Nothing is sent unless a
            person approved there. None or empty: none is needed.
        on_error: ``stop`` sends the records one after the other, and none after a failure;
            ``continue`` sends all.
        await_consumers: Names of consumers that must have the changes before the task succeeds:
            ``lake``, or your own. If one is late, the task fails and is retried; the write stands.
        await_timeout: Longest wait of each try, 0 to 600 seconds.
        allow_unknown_params: Whether to send parameters that Stripe's SDK does not know.
        deferrable: Whether waits of more than 60 seconds leave the worker; give it ``retries``.
        **kwargs: Arguments of :class:`StripeSyncOperator`: ``sync``, ``stripe_conn_id``,
            ``warehouse_conn_id``, ``lake_conn_id``.

    Returns:
        A dict: sync, collection_id, kind, seq, late, and results, one for each record: position,
        status, collection_id, upstream_id, error. It is also there if the task fails.

    Raises:
        ConfigurationError: An argument is wrong; nothing was sent.
        AirflowFailException: Stripe refused records, or nobody approved.
        AirflowException: Records have no known outcome, or consumers are late.
        StripeSyncError: Stripe or the warehouse cannot be reached.
    """

    template_fields: Sequence[str] = (
        *StripeSyncOperator.template_fields,
        "collection_id",
        "kind",
        "records",
        "prepared",
        "approval",
        "on_error",
        "await_consumers",
        "await_timeout",
    )
    ui_color = "#ffe3d6"

    def __init__(
        self,
        *,
        collection_id: str | None = None,
        kind: str | None = None,
        records: Any = None,
        prepared: str | None = None,
        approval: str | None = None,
        on_error: str = "stop",
        await_consumers: Sequence[str] | str = (),
        await_timeout: float | str = 30,
        allow_unknown_params: bool = False,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        _check_arguments(collection_id, kind, records, prepared)
        _AWAIT_TIMEOUT.check_literal(await_timeout)
        if is_literal(on_error) and on_error not in {"stop", "continue"}:
            msg = f"on_error is stop or continue, not {on_error!r}"
            raise ConfigurationError(msg, param="on_error")
        super().__init__(**kwargs)
        self.collection_id = collection_id
        self.kind = kind
        self.records = records
        self.prepared = prepared
        self.approval = approval
        self.on_error = on_error
        self.await_consumers = await_consumers
        self.await_timeout = await_timeout
        self.allow_unknown_params = allow_unknown_params
        default = conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = default if deferrable is None else deferrable
        self.is_prepared = prepared is not None
        self._rendered_records: list[Any] | None = None
        self.collection: str | None = None
        self.object_id: str | None = None

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
    ) -> None:
        """Render, and take the records out of what Airflow stores and shows as rendered."""
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self and self.records is not None:
            self._rendered_records = parse_records(self.records)
            self.records = f"{len(self._rendered_records)} records, not shown"

    def execute(self, context: Context) -> dict[str, Any]:
        """Write, and wait for the consumers."""
        from dataclasses import replace

        from stripe_sync import RunOptions

        question = self._check_approved(context)
        seconds = _AWAIT_TIMEOUT.parse(self.await_timeout)
        options = RunOptions(
            on_error=self.on_error,  # type: ignore[arg-type]
            await_consumers=parse_names(self.await_consumers, "await_consumers"),
            await_seconds=seconds,
        )
        defers = self.deferrable and seconds > LONGEST_WAIT_IN_WORKER
        begun = timezone.utcnow().timestamp()
        with self.interruptible():
            now = replace(options, await_seconds=0) if defers else options
            report = self._run(context, now, question)
        result = self._result(report)
        self._log_result(report)
        if report.late and not report.failed and defers:
            left = max(0.0, begun + seconds - timezone.utcnow().timestamp())
            self.defer(
                trigger=ConsumersTrigger(result, begun + seconds, self.warehouse_conn_id),
                method_name="execute_complete",
                timeout=timedelta(seconds=left) + _GRACE,
            )
        if report.failed:
            self._fail(context, result, _describe(report), final=report.is_final)
        return self._finish(context, result)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after a wait outside of the worker."""
        self._note_objects(event)
        return self._finish(context, event)

    def _check_approved(self, context: Context) -> str | None:
        """The question that a person has answered, where one is needed."""
        if is_unset(self.approval):
            return None
        prepared = str(self.prepared) if self.is_prepared else None
        return check_approved(context["ti"], str(self.approval), self.warehouse_conn_id, prepared)

    def _run(self, context: Context, options: RunOptions, question: str | None) -> MutationReport:
        from stripe_sync import Mutation, run_mutation, run_prepared_mutation

        connections = self.connections()
        if self.is_prepared:
            if is_unset(self.prepared):
                msg = "there is no prepared mutation: the task that prepares it has not run"
                raise AirflowFailException(msg)
            return run_prepared_mutation(
                connections, self.sync, str(self.prepared), options, question=question
            )
        mutation = Mutation(
            collection_id=str(self.collection_id),
            kind=str(self.kind),
            records=self._rendered_records or parse_records(self.records),
            key=mutation_key(context["ti"]),
            attempt=mutation_attempt(context["ti"]),
            keep_stored=True,
            allow_unknown_params=self.allow_unknown_params,
        )
        return run_mutation(connections, self.sync, mutation, options)

    def _result(self, report: MutationReport) -> dict[str, Any]:
        results = [each.as_json() for each in report.results]
        for each in results:
            del each["record"]  # XComs are readable by all who may read the DAG, and stay
        result = {
            "sync": report.sync,
            "collection_id": report.collection_id,
            "kind": report.kind,
            "seq": report.seq,
            "late": list(report.late),
            "results": results,
        }
        self._note_objects(result)
        return result

    def _note_objects(self, result: dict[str, Any]) -> None:
        """What the link to Stripe's Dashboard opens: the object, or the collection of several."""
        ids = {each["upstream_id"] for each in result["results"] if each["status"] == "done"}
        self.collection = result["collection_id"]
        self.object_id = next(iter(ids)) if len(ids) == 1 else None

    def _log_result(self, report: MutationReport) -> None:
        from stripe_sync import describe_mutation

        self.log.info("%s", describe_mutation(report))
        for each in report.failed:
            error = each.error
            self.log.error(
                "records[%s] %s is %s%s",
                each.position,
                each.upstream_id or "",
                each.status.value,
                f": {error.message} (type {error.type}, code {error.code}, {error.request_id})"
                if error
                else "",
            )

    def _finish(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        if result["late"]:
            late = ", ".join(result["late"])
            message = (
                f"Stripe and the streams have the change, but within {self.await_timeout} seconds"
                f" these consumers did not read it: {late}. A retry waits again and writes nothing"
            )
            self._fail(context, result, message, final=False)
        return result

    def _fail(self, context: Context, result: dict[str, Any], message: str, *, final: bool) -> None:
        context["ti"].xcom_push(key="return_value", value=result)
        if not final:
            raise AirflowException(message)
        what = "the task that prepared it" if self.is_prepared else "the task"
        message += f". Automatic retries would change nothing: clear {what} to send it again"
        raise AirflowFailException(message)


def _describe(report: MutationReport) -> str:
    from stripe_sync import describe_mutation

    return describe_mutation(report)


def _check_arguments(collection_id: Any, kind: Any, records: Any, prepared: Any) -> None:
    """Check while the DAG is parsed; what Airflow renders later is checked when the task runs."""
    from stripe_sync import check_verb

    given = [each is not None for each in (collection_id, kind, records)]
    if prepared is not None:
        if any(given):
            msg = "give either prepared, or collection_id, kind and records"
            raise ConfigurationError(msg, param="prepared")
        return
    if not all(given):
        msg = "collection_id, kind and records are needed, or prepared"
        raise ConfigurationError(msg)
    if is_literal(collection_id):
        check_verb(collection_id, kind if is_literal(kind) else None)
    if isinstance(records, list | tuple) and not records:
        msg = "records is empty: give at least one object"
        raise ConfigurationError(msg, param="records")
