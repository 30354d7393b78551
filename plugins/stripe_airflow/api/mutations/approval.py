"""Mutations that a person must approve: they are stored, and a run of ``stripe_mutate`` asks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from stripe_airflow.api.models import Run
from stripe_airflow.api.mutations.background import mutations
from stripe_airflow.api.rights import MUTATE_DAG
from stripe_airflow.api.runs import trigger
from stripe_sync import Mutation, MutationReport, RunOptions


async def needs_approval(sync: str) -> bool:
    """Whether a person must approve in Airflow what is to be written over HTTP.

    Args:
        sync: Name of the sync.

    Raises:
        SyncNotFound: There is no such sync.
        StripeSyncError: The sync cannot be opened.
    """

    async def asks(mutator: Any) -> bool:
        return bool(mutator.needs_approval())

    return await mutations().call(sync, asks)


async def run_or_ask(
    sync: str,
    mutation: Mutation,
    options: RunOptions,
    *,
    user_name: str,
    from_form: bool = False,
) -> MutationReport | Run:
    """Run a mutation, or let a person be asked where the sync's settings say so.

    Args:
        sync: Name of the sync.
        mutation: What to write.
        options: How it is sent.
        user_name: Who writes.
        from_form: Whether a person wrote it in a form, which live accounts hold back by default.

    Raises:
        ApiError: 503: Airflow does not have the DAG, or refuses the run.
        StripeSyncError: As for :func:`stripe_sync.run_mutation`.
    """

    async def run(mutator: Any) -> MutationReport | None:
        if mutator.needs_approval(from_form=from_form):
            return None
        report: MutationReport = await mutator.run(mutation, options)
        return report

    report = await mutations().call(sync, run)
    return report or await ask(sync, mutation, options, user_name=user_name)


async def ask(sync: str, mutation: Mutation, options: RunOptions, *, user_name: str) -> Run:
    """Store the requests of a mutation, and trigger the run that asks and then sends them.

    The run's configuration has the key of the mutation and none of its records. The same mutation
    again gives the same run.

    Raises:
        ConfigurationError: Something is wrong with the mutation.
        ApiError: 503: Airflow does not have the DAG, or refuses the run.
        StripeSyncError: The mutation cannot be stored.
    """
    asked = replace(mutation, approval="always")
    prepared = await mutations().call(sync, lambda mutator: mutator.prepare(asked, options))
    conf = {
        "sync": sync,
        "prepared": prepared.key,
        "on_error": options.on_error,
        "await_consumers": list(options.await_consumers),
        "await_timeout": options.await_seconds,
    }
    run_id = f"http__{prepared.key}"
    return await asyncio.to_thread(trigger, MUTATE_DAG, conf, user_name=user_name, run_id=run_id)
