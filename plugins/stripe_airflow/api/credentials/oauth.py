"""Routes of Stripe Connect's OAuth: connect the account of somebody else."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from html import escape
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from airflow._shared.secrets_masker import mask_secret
from airflow.api_fastapi.core_api.security import GetUserDep, bearer_scheme, get_user
from airflow.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from stripe_airflow.api.credentials.oauth_models import (
    ConnectedAccount,
    ExchangeCode,
    StartAuth,
    StartedAuth,
)
from stripe_airflow.api.credentials.store import (
    check_encryption,
    load_credentials,
    save_credential,
)
from stripe_airflow.api.errors import ApiError, answer
from stripe_airflow.api.models import NewSync
from stripe_airflow.api.rights import MANAGE, may_backfill
from stripe_airflow.api.routing import PublicRoute, Route
from stripe_airflow.api.syncs import create_with_backfill
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import (
    ConfigurationError,
    Credential,
    KeyProperties,
    NewAuthorization,
    OAuthAuthorization,
    StoredAccount,
    StripeSyncError,
    SyncConflict,
    SyncNotFound,
    complete_authorization,
    deny_authorization,
    find_authorization,
    get_sync,
    import_credential,
    start_authorization,
)

REDIRECT_URLS = "STRIPE_REDIRECT_URLS"
"""Environment variable: addresses that a browser may be sent to, separated by commas."""

_CALLBACK, _DONE = "/stripe/oauth/callback", "/stripe/oauth/done"
_PAGE = "<!doctype html><title>Stripe</title><p>{text}</p>"
_DENIED = "access_denied"


class CallbackRoute(PublicRoute):
    """A public route whose query has secrets: no log gets them."""

    takes_any_query = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route; the access log sees no query."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.state.query = dict(request.query_params)
            request.scope["query_string"] = b""
            return await handler(request)

        return handle


router = APIRouter(prefix="/v1/credentials", tags=["credentials"], route_class=Route)
public = APIRouter(prefix="/oauth", tags=["credentials"], route_class=CallbackRoute)


async def logged_in_user(request: Request) -> str | None:
    """Name of the user who is logged in; None for nobody."""
    try:
        user = await get_user(request, None, await bearer_scheme(request))
    except HTTPException:
        return None
    return str(user.get_name())


@router.post("/start-auth", status_code=201, dependencies=[MANAGE])
def start_auth(body: StartAuth, request: Request, user: GetUserDep) -> StartedAuth:
    """Begin to connect an account: send the browser of its owner to `authorize_url`."""
    if body.sync and body.sync.backfill:
        may_backfill(request, user)
    return begin_authorization(body, user_name=user.get_name())


def begin_authorization(body: StartAuth, *, user_name: str) -> StartedAuth:
    """Begin to connect an account, for a user whose rights were checked.

    Raises:
        ApiError: Airflow could not store the account encrypted.
        ConfigurationError: A value is invalid, or the platform is not set up.
        SyncConflict: There is a sync with the name of the wanted one.
    """
    check_encryption()
    _check_sync(body.sync)
    for param in ("redirect_url", "redirect_uri"):
        _check_allowed(param, getattr(body, param))
    platform, client_id = _platform(body)
    new = NewAuthorization(
        user_name=user_name,
        platform_id=body.platform_id,
        redirect_uri=body.redirect_uri or f"{_base_url()}{_CALLBACK}",
        redirect_url=body.redirect_url,
        caller_state=body.state,
        name=body.name,
        external_id=body.external_id,
        metadata=body.metadata,
        sync=body.sync.model_dump(mode="json", exclude_unset=True) if body.sync else None,
    )
    started = start_authorization(warehouse_url(), new, platform, client_id, secret=_secret())
    return StartedAuth(
        authorize_url=started.authorize_url, state=started.state, expires_at=started.expires_at
    )


def authorization_of(state: str, *, user_name: str) -> OAuthAuthorization:
    """How far an authorization is that a user has begun.

    Raises:
        ConfigurationError: The state is none of ours, or belongs to another user.
    """
    return find_authorization(warehouse_url(), state, secret=_secret(), user_name=user_name)


@router.post("/exchange-code", dependencies=[MANAGE])
def exchange_code(body: ExchangeCode, user: GetUserDep) -> ConnectedAccount:
    """Connect an account with the code that your own page got. A repeat has the same answer."""
    authorization = authorization_of(body.state, user_name=user.get_name())
    done = _complete(authorization, body.code.get_secret_value())
    return ConnectedAccount(
        account_id=str(done.account_id),
        credential_id=str(done.credential_id),
        sync=done.sync_name,
        test=not done.livemode,
        state=done.caller_state,
    )


@public.get("/callback", response_class=RedirectResponse, status_code=303)
def callback(request: Request, user: Annotated[str | None, Depends(logged_in_user)]) -> Response:
    """Where Stripe sends the browser: `code` and `state`, or `error` and `state`."""
    query: dict[str, str] = request.state.query
    authorization = find_authorization(
        warehouse_url(), query.get("state", ""), secret=_secret(), user_name=user
    )
    try:
        if query.get("error") == _DENIED:
            deny_authorization(warehouse_url(), authorization)
            return _redirect(authorization, error=_DENIED)
        if not query.get("code"):
            message = "Stripe has sent no code: start again with start-auth"
            raise ConfigurationError(message, param="code")
        done = _complete(authorization, query["code"])
    except (ApiError, StripeSyncError) as error:
        if authorization.redirect_url is None:
            raise
        body = orjson.loads(bytes(answer(error).body))["error"]
        return _redirect(authorization, error=body["code"], error_description=body["message"])
    return _redirect(done, credential_id=str(done.credential_id))


@public.get("/done", response_class=HTMLResponse)
def done(request: Request) -> HTMLResponse:
    """The page at the end, where the caller has none of its own."""
    denied = request.state.query.get("error") == _DENIED
    text = "Access was denied: nothing was connected." if denied else "The account is connected."
    return HTMLResponse(_PAGE.format(text=escape(text)))


def _complete(authorization: OAuthAuthorization, code: str) -> OAuthAuthorization:
    mask_secret(code)  # the state is ours: nobody can fill the list of secrets with texts
    check_encryption()
    return complete_authorization(
        warehouse_url(), authorization, code, open_platform=_open_platform, store=_store
    )


def _store(authorization: OAuthAuthorization) -> StoredAccount:
    """Store an account that was connected, and create its sync."""
    platform, wanted = _open_platform(authorization.platform_id), authorization.wanted
    key = KeyProperties(
        platform.api_key,
        name=wanted["name"],
        account=authorization.account_id,
        api_base=platform.api_base,
        proxy=platform.proxy,
        ca_bundle=platform.ca_bundle,
    )
    credential = import_credential(
        key,
        load_credentials(),
        metadata=wanted["metadata"],
        external_id=wanted["external_id"],
        warehouse_url=warehouse_url(),
    )
    # Not a copy of the key: one that is replaced, wherever that is, is used from then on.
    save_credential(replace(credential, platform_id=authorization.platform_id))
    if not wanted["sync"]:
        return StoredAccount(credential.id)
    body = NewSync.model_validate({**wanted["sync"], "credential_id": credential.id})
    try:
        create_with_backfill(body, user_name=authorization.user_name)
    except SyncConflict:  # made before an interruption, or by somebody else
        if get_sync(warehouse_url(), body.name).connection_id != credential.id:
            raise
    return StoredAccount(credential.id, body.name)


def _check_sync(sync: NewSync | None) -> None:
    """Refuse a sync that could not be created at the end.

    Raises:
        ConfigurationError: It names a key, or there is one with its name.
    """
    if sync is None:
        return
    for name in ("credential", "credential_id", "connection_id", "test"):
        if getattr(sync, name) is not None:
            message = f"sync.{name} follows from the account that is connected"
            raise ConfigurationError(message, param=f"sync.{name}")
    try:
        get_sync(warehouse_url(), sync.name)
    except SyncNotFound:
        return
    message = "there is a sync with this name already: choose another one"
    raise SyncConflict(message, param="sync.name")


def _check_allowed(param: str, url: str | None) -> None:
    """Refuse an address that the setting does not list.

    Raises:
        ConfigurationError: It does not.
    """
    allowed = [each.strip() for each in os.environ.get(REDIRECT_URLS, "").split(",")]
    if url is not None and url not in {each for each in allowed if each}:
        message = (
            f"{param} is not in the list of allowed addresses: add it to the environment variable"
            f" {REDIRECT_URLS} of the API server"
        )
        raise ConfigurationError(message, param=param)


def _platform(body: StartAuth) -> tuple[Credential, str]:
    """Key and client id of a platform.

    Raises:
        ConfigurationError: There is no such connection, or it lacks one of them.
    """
    platform, client_id = _open_platform(body.platform_id), StripeHook(body.platform_id).client_id()
    if body.test is not None and body.test == platform.livemode:
        message = "the platform's key is of the other mode"
        raise ConfigurationError(message, param="test")
    return platform, client_id


def _open_platform(platform_id: str) -> Credential:
    try:
        return StripeHook(platform_id).get_conn()
    except AirflowNotFoundException as error:
        message = (
            "there is no such connection: store the platform's key in an Airflow connection of type"
            " stripe, with its client id in the extra client_id"
        )
        raise ConfigurationError(message, param="platform_id") from error


def _redirect(authorization: OAuthAuthorization, **query: str) -> RedirectResponse:
    """Send the browser on, to an address without a code."""
    url = authorization.redirect_url
    if url is None:
        return RedirectResponse(f"{_base_url()}{_DONE}?{urlencode(query)}", status_code=303)
    if authorization.caller_state is not None:
        query["state"] = orjson.dumps(authorization.caller_state).decode()
    return RedirectResponse(f"{url}{'&' if '?' in url else '?'}{urlencode(query)}", status_code=303)


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="")).rstrip("/")


def _secret() -> str:
    """The secret that all API servers share."""
    return str(conf.get("api_auth", "jwt_secret", fallback="") or conf.get("api", "secret_key"))
