"""Who may call what: the rights that the caller has in Airflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import (
    GetUserDep,
    bearer_scheme,
    get_user,
    requires_access_dag,
)
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request

from stripe_airflow.api.errors import ApiError

POLL_DAG, BACKFILL_DAG, RECONCILE_DAG = "stripe_poll", "stripe_backfill", "stripe_reconcile"
MUTATE_DAG, DELIVER_DAG = "stripe_mutate", "stripe_deliver"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def authenticate(request: Request) -> None:
    """Refuse a request without a login, and a write by another site with the login's cookie.

    Raises:
        HTTPException: 401 or 403 as Airflow raises it.
        ApiError: 403: the request has the cookie and comes from another origin.
    """
    bearer = await bearer_scheme(request)
    await get_user(request, None, bearer)
    uses_cookie = bearer is None and COOKIE_NAME_JWT_TOKEN in request.cookies
    if uses_cookie and request.method not in _SAFE_METHODS and not _is_same_origin(request):
        message = (
            "a request that changes something with the cookie of the login must come from"
            " Airflow's own pages: send the header Authorization: Bearer instead"
        )
        raise ApiError(403, "other_origin", message)


def _is_same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    own = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    return bool(origin) and origin in own


def _check_dag(right: str, dag_id: str, *, run: bool) -> Callable[[Request, Any], None]:
    allowed = (
        requires_access_dag("POST", DagAccessEntity.RUN, dag_id)
        if run
        else requires_access_dag("GET", None, dag_id)
    )

    def check(request: Request, user: Any) -> None:
        try:
            allowed(request, user)
        except HTTPException as error:
            raise _forbidden(right) from error

    return check


def _forbidden(right: str) -> ApiError:
    return ApiError(403, "not_permitted", f"you lack the right to {right} in Airflow")


_check_backfill = _check_dag("trigger the DAG stripe_backfill", BACKFILL_DAG, run=True)
_check_reconcile = _check_dag("trigger the DAG stripe_reconcile", RECONCILE_DAG, run=True)
_check_mutate = _check_dag("trigger the DAG stripe_mutate", MUTATE_DAG, run=True)
_check_deliver = _check_dag("trigger the DAG stripe_deliver", DELIVER_DAG, run=True)
_check_read = _check_dag("read the DAG stripe_poll", POLL_DAG, run=False)


def may_read(request: Request, user: GetUserDep) -> None:
    """Refuse callers who may not read the DAG ``stripe_poll``."""
    _check_read(request, user)


def may_manage(user: GetUserDep) -> None:
    """Refuse callers who may not edit connections."""
    if not get_auth_manager().is_authorized_connection(method="PUT", user=user):
        right = "edit connections"
        raise _forbidden(right)


def may_backfill(request: Request, user: GetUserDep) -> None:
    """Refuse callers who may not trigger the DAG ``stripe_backfill``."""
    _check_backfill(request, user)


def may_reconcile(request: Request, user: GetUserDep) -> None:
    """Refuse callers who may not trigger the DAG ``stripe_reconcile``."""
    _check_reconcile(request, user)


def may_mutate(request: Request, user: GetUserDep) -> None:
    """Refuse callers who may not trigger the DAG ``stripe_mutate``."""
    _check_mutate(request, user)


def may_deliver(request: Request, user: GetUserDep) -> None:
    """Refuse callers who may not trigger the DAG ``stripe_deliver``."""
    _check_deliver(request, user)


READ = Depends(may_read)
MANAGE = Depends(may_manage)
BACKFILL = Depends(may_backfill)
RECONCILE = Depends(may_reconcile)
MUTATE = Depends(may_mutate)
DELIVER = Depends(may_deliver)
