"""Routes of the proxy: any request to Stripe's v1 API, with the sync's key and pace."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.mutations.approval import needs_approval
from stripe_airflow.api.mutations.background import mutations, name_of
from stripe_airflow.api.rights import MUTATE
from stripe_airflow.api.routing import Route
from stripe_sync import ProxyRequest, StripeError

FORM = "application/x-www-form-urlencoded"


class ProxyRoute(Route):
    """A route that passes the query string on."""

    takes_any_query = True


router = APIRouter(prefix="/v1/proxy/sync", tags=["proxy"], route_class=ProxyRoute)

StripeVersion = Annotated[
    str | None, Header(description="Version of the answer; by default the sync's.")
]
IdempotencyKey = Annotated[
    str | None, Header(description="Passed on, with our prefix. For POST; Stripe keeps it a day.")
]


@router.get("/{sync_id}/{path:path}", dependencies=[MUTATE])
async def get(
    sync_id: str, path: str, request: Request, stripe_version: StripeVersion = None
) -> Response:
    """Read at Stripe: `/v1/proxy/sync/default/v1/customers?limit=3`."""
    return await _pass(request, sync_id, path, None, stripe_version)


@router.post("/{sync_id}/{path:path}", dependencies=[MUTATE])
async def post(
    sync_id: str,
    path: str,
    request: Request,
    idempotency_key: IdempotencyKey = None,
    stripe_version: StripeVersion = None,
) -> Response:
    """Write at Stripe, with a form-encoded body; the streams have the object before the answer."""
    return await _pass(request, sync_id, path, idempotency_key, stripe_version)


@router.delete("/{sync_id}/{path:path}", dependencies=[MUTATE])
async def delete(
    sync_id: str, path: str, request: Request, stripe_version: StripeVersion = None
) -> Response:
    """Delete at Stripe; the streams have it before the answer."""
    return await _pass(request, sync_id, path, None, stripe_version)


async def _pass(
    request: Request, sync_id: str, path: str, key: str | None, version: str | None
) -> Response:
    if b"%2f" in request.scope.get("raw_path", b"").lower():
        message = "path: an encoded '/' is no part of an id"
        raise ApiError(400, "parameter_invalid", message, param="path")
    passed = ProxyRequest(
        method=request.method,
        path=path,
        query=request.scope["query_string"].decode("latin-1"),
        body=await _form(request),
        idempotency_key=key,
        api_version=version,
    )
    name = await name_of(sync_id)
    if request.method != "GET" and await needs_approval(name):
        message = (
            "a person must approve what is written for this sync, and nobody can approve a request"
            " that passes through: use /v1/mutations/run"
        )
        raise ApiError(403, "approval_needed", message)
    try:
        answer = await mutations().send(name, passed)
    except StripeError as error:
        if request.method != "GET":
            _add_outcome(error, has_key=key is not None)
        raise
    headers = dict(answer.headers)
    if key is not None:
        headers["Idempotency-Key"] = key
    return Response(answer.content, answer.status, headers, media_type="application/json")


async def _form(request: Request) -> str | None:
    """The form-encoded body; None for none.

    Raises:
        ApiError: 415: It is JSON, a file or something else.
    """
    body = await request.body()
    if not body:
        return None
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        message = "files are uploaded to files.stripe.com, which is no part of the proxy"
    elif kind != FORM:
        message = f"Stripe's v1 API takes forms, no JSON: send the body as {FORM}"
    else:
        return body.decode("latin-1")
    raise ApiError(415, "unsupported_body", message, param="Content-Type")


def _add_outcome(error: StripeError, *, has_key: bool) -> None:
    """Add to the message of a write that got no answer what a second try would do."""
    if error.may_have_run:
        advice = (
            "send it again with the same Idempotency-Key, which repeats nothing"
            if has_key
            else "look for the change in Stripe before you send it again"
        )
        error.args = (f"{error}; Stripe may have executed it: {advice}", *error.args[1:])
