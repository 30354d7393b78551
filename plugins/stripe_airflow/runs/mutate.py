"""First task of the DAG stripe_mutate: checks the form, and stores the requests that it makes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.operators.approval import describe_prepared
from stripe_airflow.params import mutate_params
from stripe_airflow.retries import mutation_attempt, mutation_key
from stripe_sync import ConfigurationError

if TYPE_CHECKING:
    from stripe_sync import PreparedMutation

log = logging.getLogger(__name__)

APPROVE, MUTATE = "approve", "mutate"
"""Ids of the two tasks that may follow."""

_SPELLINGS = {"sync_id": "sync", "collection_id": "collection", "data": "records"}
"""Names of the HTTP API's body, and of the form's fields."""


def _xcom(name: str) -> str:
    """Template of what :func:`prepare_run` stores under a name."""
    return f"{{{{ ti.xcom_pull(task_ids='prepare', key='{name}') }}}}"


QUESTION: dict[str, Any] = {"prepared": _xcom("key"), "sync": _xcom("sync")}
"""Arguments of the task that asks."""

MUTATION_KWARGS: dict[str, Any] = {
    "sync": _xcom("sync"),
    "prepared": _xcom("key"),
    # Who gives a key has stored the mutation so that somebody approves it. Where the form asks, the
    # stored mutation says so too: an XCom can be edited.
    "approval": (
        f"{{% if params.prepared %}}{APPROVE}{{% else %}}{_xcom('approval')}{{% endif %}}"
    ),
    "on_error": "{{ params.on_error }}",
    "await_consumers": "{{ params.await_consumers }}",
    "await_timeout": "{{ params.await_timeout }}",
    "deferrable": True,
}
"""Arguments of the task that writes."""


def prepare_run(params: Mapping[str, Any], ti: Any) -> str:
    """Check a form and store its requests; nothing is sent.

    What follows knows key, counts and ids, not the records. Stored as XComs: ``sync`` (its name),
    ``key``, and ``approval`` (id of the task that must approve, or an empty text).

    Args:
        params: The DAG's parameters: those of the form, or the body of the HTTP API's call.
        ti: The task instance.

    Returns:
        Id of the task that follows: ``approve`` or ``mutate``.

    Raises:
        ConfigurationError: Something is wrong with the form; the message names the field, and does
            not repeat what it has.
        StripeSyncError: Stripe or the warehouse cannot be reached.
    """
    form = _form(params)
    sync = _sync_name(form["sync"])
    found = _find(sync, form) if form["prepared"] else _prepare(sync, form, ti)
    asks = bool(form["prepared"]) or found.needs_approval
    values = {"sync": sync, "key": found.key, "approval": APPROVE if asks else ""}
    for name, value in values.items():
        ti.xcom_push(key=name, value=value)
    log.info("%s%s", describe_prepared(sync, found), "; a person must approve it" if asks else "")
    return APPROVE if asks else MUTATE


def _form(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the form, also where a run's configuration spells them as the HTTP API does."""
    known = [*mutate_params(), *_SPELLINGS]
    for name in params:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            message = f"there is no parameter {name}: {hint}"
            raise ConfigurationError(message, param=name)
    spelled = {form: params[name] for name, form in _SPELLINGS.items() if name in params}
    return {**params, **spelled}


def _sync_name(sync: object) -> str:
    """Name of a sync that is given by name or id."""
    from stripe_sync import get_sync

    if not isinstance(sync, str) or not sync:
        message = "sync is the name or the id of a sync"
        raise ConfigurationError(message, param="sync")
    try:
        UUID(sync)
    except ValueError:
        return sync
    return get_sync(warehouse_url(), sync).name


def _find(sync: str, form: Mapping[str, Any]) -> PreparedMutation:
    from stripe_sync import find_prepared_mutation

    if form["records"]:
        message = "give either records or the key of a prepared mutation"
        raise ConfigurationError(message, param="prepared")
    return find_prepared_mutation(connections_for(sync), sync, form["prepared"])


def _prepare(sync: str, form: Mapping[str, Any], ti: Any) -> PreparedMutation:
    from stripe_sync import Mutation, RunOptions, prepare_mutation

    mutation = Mutation(
        collection_id=form["collection"],
        kind=form["kind"],
        records=form["records"],
        key=mutation_key(ti),
        attempt=mutation_attempt(ti),
        keep_stored=True,
        allow_unknown_params=form["allow_unknown_params"],
        approval="form",
    )
    options = RunOptions(form["on_error"], form["await_consumers"], form["await_timeout"])
    return prepare_mutation(connections_for(sync), sync, mutation, options)
