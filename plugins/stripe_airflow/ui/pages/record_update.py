"""Changing a record: the form's answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Request, Response

from stripe_airflow.api.errors import ApiError, known_error
from stripe_airflow.api.models import Run
from stripe_airflow.api.mutations.answers import answer_of
from stripe_airflow.api.mutations.approval import run_or_ask
from stripe_airflow.api.mutations.background import name_of
from stripe_airflow.api.rights import MUTATE
from stripe_airflow.api.streams.process import streams
from stripe_airflow.ui.pages.record import forget_records, history_of
from stripe_airflow.ui.pages.record_form import (
    check_unchanged,
    filled_form,
    form_of,
    mutation_key,
    record_of,
)
from stripe_airflow.ui.payloads.changes import QueriedRecord, ShownChange, json_of
from stripe_airflow.ui.payloads.differences import main_fields
from stripe_airflow.ui.payloads.payload_tree import tree_of
from stripe_airflow.ui.rendering import render
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import Mutation, RunOptions, StreamItem, StripeSyncError

router = page_router()

_WHERE = re.compile(r"records\[0\](?:: |\.)?|; allow_unknown_params .*")
"""Words of errors that are about calls with many records and their options."""

_MAY_BE_SENT_AGAIN = 429, 502, 503, 504
"""Of an error after which the same write may still be executed."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of a form.

    Attributes:
        seq: Stream position of the change; None where nothing was written.
        run: The run that asks for approval.
        error: What is wrong.
    """

    seq: int | None = None
    run: Run | None = None
    error: ApiError | None = None


@router.post("/record-update", dependencies=[MUTATE])
async def update(
    request: Request,
    viewer: CurrentViewer,
    user: GetUserDep,
    named: QueriedRecord,
) -> Response:
    """Change an object in Stripe and in the streams, or ask for approval where that is needed."""
    values = {
        name: value for name, value in (await request.form()).items() if isinstance(value, str)
    }
    reader, sync = await streams().get(), named.sync
    item = await reader.record(named.collection_id, named.upstream_id, sync=sync)
    sent = await _send(sync, item, values, user_name=user.get_name())
    changes: list[ShownChange] = []
    older = None
    if sent.seq is not None:
        forget_records()
        item = await reader.record(item.collection_id, item.upstream_id, sync=sync)
        changes, older = await history_of(sync, item.collection_id, item.upstream_id)

    def answer() -> Response:
        found = json_of(item)
        payload = found["payload"]
        form = form_of(item.collection_id, payload)
        if form and sent.error:
            same_key = sent.error.status in _MAY_BE_SENT_AGAIN
            form = filled_form(form, values, same_key=same_key)
        return render(
            request,
            "record_sent.html",
            status_code=sent.error.status if sent.error else 202 if sent.run else 200,
            viewer=viewer,
            record=found,
            changed_at=datetime.fromisoformat(found["upstream_updated_at"]),
            sync_name=sync,
            form=form,
            sent=sent,
            tree=tree_of(payload),
            fields=main_fields(payload),
            changes=changes,
            before=older,
        )

    return await anyio.to_thread.run_sync(answer)


async def _send(sync: str, item: StreamItem, values: Mapping[str, str], *, user_name: str) -> _Sent:
    def record_to_send() -> dict[str, Any]:
        payload = item.json()["payload"]
        record = record_of(item.collection_id, payload, values)
        check_unchanged(payload, values)
        return record

    try:
        record = await anyio.to_thread.run_sync(record_to_send)
        mutation = Mutation(
            item.collection_id, "update", [record], key=mutation_key(values, record)
        )
        name = await name_of(sync)
        found: Any = await run_or_ask(
            name, mutation, RunOptions(), user_name=user_name, from_form=True
        )
        if isinstance(found, Run):
            return _Sent(run=found)
        answer_of(found, mutation.records, name="fields", has_key=True)  # raises what failed
        return _Sent(seq=found.seq)
    except (ApiError, StripeSyncError) as error:
        known = known_error(error)
        known.message = _WHERE.sub("", known.message)
        return _Sent(error=known)
