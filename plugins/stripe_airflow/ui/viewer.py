"""The person who looks at a page, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from cachetools import TTLCache, cached
from fastapi import Depends, Request

from stripe_airflow.api import rights
from stripe_airflow.api.errors import ApiError

_SECONDS = 5.0
"""How long rights are kept: some auth managers send a request for each question."""

_MOST_PEOPLE = 1024


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person with the right to read.

    Attributes:
        name: Their name in Airflow.
        manage: Why they may not change syncs, keys and consumers; empty if they may.
        backfill: Why they may not start backfills.
        reconcile: Why they may not reconcile.
        mutate: Why they may not change objects in Stripe.
    """

    name: str
    manage: str
    backfill: str
    reconcile: str
    mutate: str


def _viewer(request: Request, user: GetUserDep) -> Viewer:
    rights.may_read(request, user)
    return _viewer_of(request, user)


CurrentViewer = Annotated[Viewer, Depends(_viewer)]


def _key(_request: Request, user: Any) -> tuple[type, str, str]:
    return type(user), str(user.get_id()), user.get_name()


@cached(TTLCache(_MOST_PEOPLE, _SECONDS), key=_key, condition=Condition())
def _viewer_of(request: Request, user: Any) -> Viewer:
    return Viewer(
        name=user.get_name(),
        manage=_refusal(lambda: rights.may_manage(user)),
        backfill=_refusal(lambda: rights.may_backfill(request, user)),
        reconcile=_refusal(lambda: rights.may_reconcile(request, user)),
        mutate=_refusal(lambda: rights.may_mutate(request, user)),
    )


def _refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except ApiError as error:
        return error.message
    return ""
