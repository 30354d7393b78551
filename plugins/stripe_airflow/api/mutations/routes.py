"""Routes of mutations: they run in this process at once, through no DAG run."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import Run
from stripe_airflow.api.mutations import approval
from stripe_airflow.api.mutations.answers import PARTLY, answer_of, named
from stripe_airflow.api.mutations.background import name_of
from stripe_airflow.api.mutations.models import (
    AnyMutationRun,
    MutationRecords,
    MutationResults,
    MutationRun,
    WaitingMutation,
)
from stripe_airflow.api.rights import MUTATE
from stripe_airflow.api.routing import Route
from stripe_sync import (
    ConfigurationError,
    IdempotencyConflict,
    LakeError,
    Mutation,
    RunOptions,
    WarehouseError,
)

router = APIRouter(prefix="/v1/mutations", tags=["mutations"], route_class=Route)

_KEY = re.compile(r"(?=.*\S)[ -~]{1,255}")

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="1 to 255 printable ASCII characters of your choice. For 30 days the same key"
        " gives the same outcome: nothing is executed twice, and what was interrupted goes on."
    ),
]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": MutationRecords, "description": "All succeeded, and the streams have them."},
    202: {
        "model": WaitingMutation,
        "description": "A person must approve it: nothing is sent yet.",
    },
    PARTLY: {"model": MutationResults, "description": "Of several records not all succeeded."},
}


@router.post("/run", dependencies=[MUTATE], responses=_RESPONSES)
async def run(
    body: AnyMutationRun, user: GetUserDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create, update or delete objects in Stripe and in the streams at once, or run an action."""
    return await _run(body, body.kind, idempotency_key, user_name=user.get_name())


@router.post("/run/{kind}", dependencies=[MUTATE], responses=_RESPONSES)
async def run_kind(
    kind: Literal["create", "update", "delete"],
    body: MutationRun,
    user: GetUserDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create, update or delete objects in Stripe and in the streams at once."""
    return await _run(body, kind, idempotency_key, user_name=user.get_name())


async def _run(body: MutationRun, kind: str, key: str | None, *, user_name: str) -> Response:
    if key is not None and not _KEY.fullmatch(key):
        message = "Idempotency-Key: it has 1 to 255 printable ASCII characters"
        raise ApiError(400, "parameter_invalid", message, param="Idempotency-Key")
    records_name = body.records_name
    mutation = Mutation(
        body.collection_id,
        kind,
        getattr(body, records_name),
        key=key,
        allow_unknown_params=body.allow_unknown_params,
    )
    options = RunOptions(body.on_error, body.await_consumers, body.await_timeout)
    name = await name_of(body.sync_id)
    try:
        found = await approval.run_or_ask(name, mutation, options, user_name=user_name)
    except (ConfigurationError, IdempotencyConflict) as error:
        raise named(error, records_name) from error
    except (WarehouseError, LakeError) as error:
        error.args = (f"{error}; {_WHAT_A_RETRY_DOES[key is not None]}",)
        raise
    if isinstance(found, Run):
        return JSONResponse(WaitingMutation(run=found).model_dump(mode="json"), 202)
    return answer_of(found, mutation.records, name=records_name, has_key=key is not None)


_WHAT_A_RETRY_DOES = {
    True: "the same request with the same Idempotency-Key finds out what was executed",
    False: "the request had no Idempotency-Key: look in Stripe for what was executed",
}
