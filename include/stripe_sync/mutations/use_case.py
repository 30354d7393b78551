"""Mutations as plain blocking functions; they need no Airflow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from stripe_sync.client import RequestKind
from stripe_sync.mutations.mutation import (
    DEFAULT_OPTIONS,
    Mutation,
    OnError,
    PreparedMutation,
    RunOptions,
)
from stripe_sync.mutations.mutator import Mutator, open_mutator
from stripe_sync.mutations.proxy.proxy import ProxyAnswer
from stripe_sync.mutations.proxy.request import ProxyRequest
from stripe_sync.mutations.report import MutationReport
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.connections import Connections
from stripe_sync.sync.session import open_session
from stripe_sync.warehouse import Warehouse
from stripe_sync.warehouse.mutations.approvals import Approval

Result = TypeVar("Result")


def mutate(
    connections: Connections,
    collection: str,
    kind: str,
    records: Sequence[JsonObject],
    *,
    sync: str = "default",
    key: str | None = None,
    on_error: OnError = "stop",
    await_consumers: Sequence[str] = (),
    await_timeout: float = 30.0,
    allow_unknown_params: bool = False,
) -> MutationReport:
    """Create, update or delete objects in Stripe, and apply the result to the streams.

    When it returns, the records and change events (source ``mutation``) of what Stripe executed are
    committed. With a ``key`` nothing is executed twice, however often and late it is called again:
    each call continues where the last one stopped.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        collection: ``stripe:customer``.
        kind: ``create``, ``update``, ``delete`` or an action of the collection, such as ``cancel``
            or ``finalize``. A refund is a ``create`` of ``stripe:refund``.
        records: 1 to 100 objects: Stripe's parameters, and beside them the ids that the request's
            path needs: ``id``, and that of a parent. None, [] and {} unset a parameter.
        sync: Name of the sync.
        key: Any text that is the same for each try of this call; None for no second try.
        on_error: ``stop`` sends the records one after the other, and none after a failure;
            ``continue`` sends all, those of different objects at the same time.
        await_consumers: Names of consumers to wait for: ``lake``, or your own.
        await_timeout: Longest wait in seconds; the write stands whatever happens.
        allow_unknown_params: Whether to send parameters that Stripe's SDK does not know.

    Returns:
        A result for each record; look at ``failed``.

    Raises:
        ConfigurationError: Something is wrong with the arguments; nothing was sent. ``param`` says
            which: ``records[3].email``.
        IdempotencyConflict: The key was used for another call; nothing was sent.
        SyncConflict: The sync is paused.
        StripeSyncError: As for :func:`backfill`.

    Example:
        >>> from stripe_sync import mutate
        >>> report = mutate(connections, "stripe:customer", "create", [{"name": "Paul Atreides"}])
        >>> report.records[0]["payload"]["name"]
        'Paul Atreides'
    """
    mutation = Mutation(
        collection, kind, records, key=key, allow_unknown_params=allow_unknown_params
    )
    options = RunOptions(on_error, await_consumers, await_timeout)
    return run_mutation(connections, sync, mutation, options)


def run_mutation(
    connections: Connections,
    sync: str,
    mutation: Mutation,
    options: RunOptions = DEFAULT_OPTIONS,
) -> MutationReport:
    """As :func:`mutate`, for callers whose tries are counted, such as Airflow's tasks.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync.
        mutation: What to write.
        options: How.

    Raises:
        StripeSyncError: As for :func:`mutate`.
    """
    return _with_mutator(connections, sync, lambda mutator: mutator.run(mutation, options))


def prepare_mutation(
    connections: Connections,
    sync: str,
    mutation: Mutation,
    options: RunOptions = DEFAULT_OPTIONS,
) -> PreparedMutation:
    """Check a mutation and store its requests, for a person to approve them; nothing is sent.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync.
        mutation: What to write; with a ``key``.
        options: How it will be sent; only checked here.

    Raises:
        StripeSyncError: As for :func:`mutate`.
    """
    return _with_mutator(connections, sync, lambda mutator: mutator.prepare(mutation, options))


def find_prepared_mutation(connections: Connections, sync: str, key: str) -> PreparedMutation:
    """What is known of a prepared mutation: counts and ids, and whether it needs approval.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync.
        key: ``PreparedMutation.key``.

    Raises:
        StripeSyncError: As for :func:`mutate`; ConfigurationError where there is no such mutation.
    """
    return _with_mutator(connections, sync, lambda mutator: mutator.find_prepared(key))


def run_prepared_mutation(
    connections: Connections,
    sync: str,
    key: str,
    options: RunOptions = DEFAULT_OPTIONS,
    *,
    question: str | None = None,
) -> MutationReport:
    """Send the stored requests of a prepared mutation that have no outcome yet.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync.
        key: ``PreparedMutation.key``.
        options: How.
        question: Of :func:`ask_approval`; None where nobody was asked.

    Raises:
        StripeSyncError: As for :func:`mutate`; ConfigurationError where there is no such mutation,
            or it needs an approval and nobody has approved it.
    """

    def run(mutator: Mutator) -> Awaitable[MutationReport]:
        return mutator.run_prepared(key, options, question=question)

    return _with_mutator(connections, sync, run)


def ask_approval(warehouse_url: str, question: str, mutation_key: str | None = None) -> None:
    """Note that a person is asked for approval: earlier answers to the question count no more.

    It is stored in the warehouse, bound to the mutation, where users of Airflow cannot edit it.

    Args:
        warehouse_url: ``postgresql://…``.
        question: What is asked where; any text.
        mutation_key: ``PreparedMutation.key`` of what is asked about; None where it is no prepared
            mutation.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    with Warehouse(warehouse_url, kept_open=1) as warehouse:
        warehouse.upgrade()
        warehouse.approvals.ask(question, mutation_key)


def store_approval(warehouse_url: str, question: str, approved_by: str) -> None:
    """Note that a person approved.

    Args:
        warehouse_url: ``postgresql://…``.
        question: Of :func:`ask_approval`.
        approved_by: Name of the person.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    with Warehouse(warehouse_url, kept_open=1) as warehouse:
        warehouse.approvals.approve(question, approved_by)


def find_approval(warehouse_url: str, question: str) -> Approval | None:
    """What is known of a question; None where it was not asked, or more than 30 days ago.

    Args:
        warehouse_url: ``postgresql://…``.
        question: Of :func:`ask_approval`.

    Raises:
        WarehouseError: The warehouse cannot be reached.
    """
    with Warehouse(warehouse_url, kept_open=1) as warehouse:
        warehouse.upgrade()
        return warehouse.approvals.find(question)


def proxy_request(connections: Connections, sync: str, request: ProxyRequest) -> ProxyAnswer:
    """Send any request to Stripe's v1 API with the sync's key and pace.

    The objects of the answer are stored: those of a POST or DELETE as after :func:`mutate`, before
    this returns, with a change event of source ``mutation``; those of a GET as after a reconcile.
    If they cannot be stored, the answer is returned all the same, and polling stores them.

    Args:
        connections: How to reach Stripe, warehouse and lake.
        sync: Name of the sync.
        request: The request, without a key.

    Returns:
        Stripe's answer, whatever its status.

    Raises:
        ConfigurationError: The request may not be sent; ``param`` says why.
        SyncConflict: The sync is paused.
        StripeError: Stripe refuses the key or does not answer; ``may_have_run`` says whether it may
            have executed the request.
        StripeSyncError: As for :func:`backfill`.

    Example:
        >>> from stripe_sync import ProxyRequest, proxy_request
        >>> request = ProxyRequest("POST", "v1/customers", body="name=Paul%20Atreides")
        >>> proxy_request(connections, "default", request).status
        200
    """
    return _with_mutator(connections, sync, lambda mutator: mutator.proxy.send(request))


def _with_mutator(
    connections: Connections, sync: str, use: Callable[[Mutator], Awaitable[Result]]
) -> Result:
    """Run something in a session of its own."""

    async def run() -> Result:
        opening = open_session(connections, sync, kind=RequestKind.MUTATION)
        async with opening as session, open_mutator(session) as mutator:
            return await use(mutator)

    return asyncio.run(run())
