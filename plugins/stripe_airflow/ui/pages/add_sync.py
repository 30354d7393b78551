"""Add a sync in three steps: a key, what it may read, what to sync."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Annotated, Any, Literal

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Form, Query, Request, Response
from pydantic import BeforeValidator, ValidationError

from stripe_airflow.api.credentials.oauth import authorization_of, begin_authorization
from stripe_airflow.api.credentials.oauth_models import StartAuth
from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.models import NewSync
from stripe_airflow.api.rights import MANAGE, may_backfill
from stripe_airflow.api.runs import NOT_STARTED
from stripe_airflow.api.syncs import create_with_backfill
from stripe_airflow.ui import keys
from stripe_airflow.ui.forms import PageForm, in_words
from stripe_airflow.ui.known_syncs import all_syncs
from stripe_airflow.ui.pages.syncs.sync import forget_sync
from stripe_airflow.ui.rendering import render, segment
from stripe_airflow.ui.routing import go, page_router
from stripe_airflow.ui.viewer import CurrentViewer, Viewer
from stripe_sync import (
    ConfigurationError,
    CredentialInfo,
    OAuthAuthorization,
    SyncInfo,
    create_key_url,
    load_catalog,
)

router = page_router()

_LONGEST_SUGGESTION = 40
_TAKEN_BY_OTHERS = frozenset({"warehouse", "lake"})
_OTHER_MODE = {
    True: "this is a live mode key, and Test mode is ticked: paste a test mode key, which begins"
    " with rk_test_ or sk_test_, or untick Test mode",
    False: "this is a test mode key, and Test mode is not ticked: tick it, or paste a live mode"
    " key, which begins with rk_live_ or sk_live_",
}

CredentialId = Annotated[str, Query(max_length=250)]
Account = Annotated[str | None, Query(max_length=100), BeforeValidator(lambda text: text or None)]


class PastedKey(keys.KeyForm):
    """The form of the first step."""

    test: bool = False


class ConnectForm(PageForm):
    """The form of Stripe Connect."""

    platform_id: str = "stripe_platform"
    test: bool = False


class SyncForm(PageForm):
    """The form of the last step."""

    credential: str
    account: str | None = None
    name: str
    collections: tuple[str, ...] = ()
    history: Literal["all", "recent"] = "all"
    days: str | None = None
    backfill: bool = False


@router.get("/add-sync")
def choose_key(request: Request, viewer: CurrentViewer) -> Response:
    """The first step: paste a key, take a stored one, or connect somebody's account."""
    may = not viewer.manage
    return render(
        request,
        "add_sync.html",
        viewer=viewer,
        keys=keys.known_keys() if may else [],
        api_base=keys.usual_api_base() if may else "",
    )


@router.post("/add-sync/key", dependencies=[MANAGE])
def import_pasted_key(request: Request, form: Annotated[PastedKey, Form()]) -> Response:
    """Store the key that was pasted, and go on."""
    try:
        credential_id = keys.store_key(form, test=form.test, other_mode=_OTHER_MODE[form.test])
    except ApiError as error:
        return keys.ask_to_replace(request, error)
    return go(request, "/add-sync/access", credential=credential_id)


@router.post("/add-sync/connect", dependencies=[MANAGE])
def connect(request: Request, user: GetUserDep, form: Annotated[ConnectForm, Form()]) -> Response:
    """Begin to connect an account, and wait for its owner."""
    body = StartAuth(platform_id=form.platform_id, test=form.test)
    started = begin_authorization(body, user_name=user.get_name())
    return render(request, "add_sync_connect_part.html", started=started)


@router.post("/add-sync/connect/wait", dependencies=[MANAGE])
def wait_for_owner(
    request: Request, user: GetUserDep, state: Annotated[str, Form(max_length=1000)]
) -> Response:
    """Go on once the owner of the account has approved."""
    found = authorization_of(state, user_name=user.get_name())
    if found.status == "done":
        return go(request, "/add-sync/access", credential=found.credential_id)
    if problem := _problem(found):
        return render(request, "error_part.html", message=problem, is_logged_out=False)
    return Response(status_code=204)  # the part stays as it is, and asks again


@router.get("/add-sync/access")
def show_access(
    request: Request, viewer: CurrentViewer, credential: CredentialId, account: Account = None
) -> Response:
    """The second step: what the key may read."""
    return _step(request, viewer, "add_sync_access.html", credential, account)


@router.post("/add-sync/access", dependencies=[MANAGE])
def check_access(
    request: Request,
    viewer: CurrentViewer,
    credential: CredentialId,
    account: Account = None,
    *,
    again: bool = False,
) -> Response:
    """The table of the second step, after a check of the key."""
    found = keys.check_key(credential, account, again=again)
    values = _values(viewer, credential, account, found)
    return render(request, "add_sync_access_part.html", **values)


@router.get("/add-sync/collections")
def choose_collections(
    request: Request, viewer: CurrentViewer, credential: CredentialId, account: Account = None
) -> Response:
    """The last step: what to sync, and how much of the past."""
    return _step(request, viewer, "add_sync_collections.html", credential, account)


@router.post("/add-sync/collections", dependencies=[MANAGE])
def offer_collections(
    request: Request, viewer: CurrentViewer, credential: CredentialId, account: Account = None
) -> Response:
    """The form of the last step, after a check of the key."""
    found = keys.check_key(credential, account)
    values = _values(viewer, credential, account, found)
    return render(request, "add_sync_collections_part.html", **values)


@router.post("/add-sync", dependencies=[MANAGE])
def create(request: Request, user: GetUserDep, form: Annotated[SyncForm, Form()]) -> Response:
    """Create the sync, start its backfill, and go to its page."""
    if form.backfill:
        may_backfill(request, user)
    body = _new_sync(form)
    try:
        create_with_backfill(body, user_name=user.get_name())
    except ApiError as error:
        if error.code in NOT_STARTED:
            error.message = (
                f"the sync {body.name} was added, but its backfill was not started:"
                f" {error.message}. Start it from the page of the sync"
            )
        raise
    finally:
        forget_sync()
    return go(request, f"/syncs/{segment(body.name)}")


def suggested_name(key: CredentialInfo, taken: Collection[str]) -> str:
    """A name for a sync that no other has: that of the key, with ``-test`` in test mode.

    Args:
        key: Its key.
        taken: Names of all syncs.
    """
    given = key.name.removeprefix("stripe_")  # connections that a person has made begin with it
    text = _slug(given) or _slug(key.account_id or "") or "stripe"
    name = text[:_LONGEST_SUGGESTION].strip("-_").removesuffix("-test")
    name += "-test" if key.test else ""
    used, number, found = _TAKEN_BY_OTHERS.union(taken), 1, name
    while found in used:
        number += 1
        found = f"{name}-{number}"
    return found


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-_")


def _step(
    request: Request, viewer: Viewer, template: str, credential: str, account: str | None
) -> Response:
    """A page of a step, with what was found out about the key if that was not long ago."""
    found = None if viewer.manage else keys.finished_check(credential, account)
    values = _values(viewer, credential, account, found)
    if not viewer.manage and found is None:
        values["key"] = keys.describe_key(credential, account)
    return render(request, template, **values)


def _values(
    viewer: Viewer, credential: str, account: str | None, found: keys.KeyCheck | None
) -> dict[str, Any]:
    """What the templates of the second and the last step need."""
    values = {
        "viewer": viewer,
        "credential": credential,
        "account": account,
        "found": found,
        "key": found and found.key,
    }
    if found is None:
        return values
    syncs = all_syncs().values()
    written = [each for each in load_catalog().values() if each.permissions.write]
    return values | {
        "others": _syncs_of(found.key, syncs),
        "name": suggested_name(found.key, [each.name for each in syncs]),
        "write_key_url": create_key_url(test=bool(found.key.test), write=written),
    }


def _syncs_of(key: CredentialInfo, syncs: Collection[SyncInfo]) -> list[SyncInfo]:
    """The syncs that store the account of a key in its mode already."""
    return [
        each
        for each in syncs
        if key.account_id and each.account_id == key.account_id and each.livemode != key.test
    ]


def _new_sync(form: SyncForm) -> NewSync:
    """The body of ``POST /v1/syncs``.

    Raises:
        ConfigurationError: A value is invalid.
    """
    if not form.collections:
        message = "choose at least one collection: without any there is nothing to sync"
        raise ConfigurationError(message, param="collections")
    every = set(form.collections) >= set(load_catalog())
    values: dict[str, Any] = {
        "name": form.name,
        "connection_id": form.credential,
        "collection_ids": None if every else [*form.collections],
        "backfill": form.backfill,
    }
    if form.account:
        values["connected_account"] = form.account
    if form.history == "recent":
        days = (form.days or "").strip()
        values["max_age_days"] = int(days) if re.fullmatch(r"[0-9]{1,6}", days) else 0
    try:
        return NewSync(**values)
    except ValidationError as error:
        raise in_words(error) from None


def _problem(found: OAuthAuthorization) -> str | None:
    """Why an authorization leads nowhere; None while it may still be approved."""
    if found.status == "failed":
        return found.message or "the account was not connected: start again"
    if found.status == "started" and found.is_expired:
        return "the owner of the account has not approved within an hour: start again"
    return None
