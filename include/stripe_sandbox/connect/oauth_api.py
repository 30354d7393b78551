"""The routes ``/oauth/authorize``, ``/oauth/token`` and ``/oauth/deauthorize``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.types import Receive, Scope, Send

from stripe_sandbox.connect.grants import (
    CLIENT_IDS,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REDIRECT_URI,
    INVALID_REQUEST,
    INVALID_SCOPE,
    UNSUPPORTED_GRANT_TYPE,
    Grant,
    OAuthError,
)
from stripe_sandbox.http import asgi_io
from stripe_sandbox.http.authentication import key_in_header
from stripe_sandbox.state import faults
from stripe_sandbox.state.sandbox_state import ACCOUNT, Key, State, StateHolder

_SCOPES = ("read_only", "read_write")


class OAuthApi:
    """Stripe Connect's OAuth; the platform is the sandbox's first account.

    ``/oauth/authorize`` asks nobody. Its parameter ``deny=true`` stands for a person who denies,
    and ``account`` for the account that this person has.

    Args:
        holder: Has the state.
    """

    def __init__(self, holder: StateHolder) -> None:
        self._holder = holder

    @property
    def state(self) -> State:
        """The current state."""
        return self._holder.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request (ASGI)."""
        endpoint = f"{scope['method']} {scope['path']}"
        body = await asgi_io.read_body(receive)
        headers: dict[str, str] = {}
        try:
            if endpoint == "GET /oauth/authorize":
                query = dict(parse_qsl(bytes(scope["query_string"]).decode()))
                headers["location"] = self._authorize(query)
                status, answer = 302, {}
            else:
                status, answer = 200, self._post(endpoint, body, asgi_io.headers(scope))
        except OAuthError as error:
            status, answer = error.status, error.body
        if faults.take_fault(self.state, "reset", endpoint):
            await asgi_io.reset_connection(receive, send)
            return
        fault = faults.take_fault(self.state, "server_error", endpoint)
        if fault is not None:
            status, answer = fault.status, {"error": "server_error"}
        await asgi_io.send_json(send, status, orjson.dumps(answer), headers)

    def _authorize(self, query: Mapping[str, str]) -> str:
        """Approve or deny; returns where the browser goes.

        Raises:
            OAuthError: What Stripe shows on its own page.
        """
        livemode = _mode_of(query.get("client_id"))
        if query.get("response_type") != "code":
            raise OAuthError(INVALID_REQUEST, "response_type must be code")
        granted = query.get("scope", "read_only")
        if granted not in _SCOPES:
            raise OAuthError(INVALID_SCOPE, f"Invalid scope: {granted}")
        target = query.get("redirect_uri")
        if not target:
            raise OAuthError(INVALID_REDIRECT_URI, "No redirect_uri is registered")
        answer = {"state": query["state"]} if "state" in query else {}
        if query.get("deny") == "true":
            answer["error"] = "access_denied"
            answer["error_description"] = "The user denied your request"
        else:
            answer |= {"scope": granted, "code": self._code(query, granted, livemode=livemode)}
        return f"{target}{'&' if '?' in target else '?'}{urlencode(answer)}"

    def _code(self, query: Mapping[str, str], granted: str, *, livemode: bool) -> str:
        account = query.get("account") or self.state.new_id("acct_", 16)
        code = self.state.new_id("ac_", 32)
        grant = Grant(account, livemode, granted, self.state.clock.now())
        self.state.grants.add(code, grant)
        return code

    def _post(self, endpoint: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        form = dict(parse_qsl(body.decode()))
        text = form.get("client_secret") or key_in_header(headers.get("authorization", ""))
        key = self.state.keys.get(text)
        if key is None:
            raise OAuthError(INVALID_CLIENT, "No such API key", status=401)
        self.state.modes[key.account, key.livemode].meter.requests[endpoint] += 1
        if endpoint == "POST /oauth/token":
            return self._token(form, key)
        if endpoint == "POST /oauth/deauthorize":
            return self._deauthorize(form, key)
        raise OAuthError(INVALID_REQUEST, f"Unrecognized request URL ({endpoint})", status=404)

    def _token(self, form: Mapping[str, str], key: Key) -> dict[str, Any]:
        if form.get("grant_type") != "authorization_code":
            raise OAuthError(UNSUPPORTED_GRANT_TYPE, "Invalid grant_type")
        if not form.get("code"):
            raise OAuthError(INVALID_REQUEST, "No authorization code provided")
        if key.account != ACCOUNT:
            raise OAuthError(INVALID_GRANT, "The code was issued to another application")
        now = self.state.clock.now()
        grant = self.state.grants.exchange(form["code"], livemode=key.livemode, now=now)
        if grant.account not in self.state.versions:
            self.state.add_account(grant.account)
            self.state.list_connected(grant.account)
        mode = "live" if grant.livemode else "test"
        return {
            "access_token": self.state.new_id(f"sk_{mode}_"),
            "livemode": grant.livemode,
            "refresh_token": self.state.new_id("rt_"),
            "token_type": "bearer",
            "stripe_publishable_key": self.state.new_id(f"pk_{mode}_"),
            "stripe_user_id": grant.account,
            "scope": grant.scope,
        }

    def _deauthorize(self, form: Mapping[str, str], key: Key) -> dict[str, Any]:
        account = form.get("stripe_user_id", "")
        if _mode_of(form.get("client_id")) != key.livemode:
            raise OAuthError(INVALID_CLIENT, "The client id is of the other mode", status=401)
        connected = (account, key.livemode)
        if account not in self.state.versions or connected in self.state.grants.revoked:
            description = f"This application is not connected to stripe account {account}"
            raise OAuthError(INVALID_CLIENT, description, status=401)
        self.state.grants.revoked.add(connected)
        return {"stripe_user_id": account}


def _mode_of(client_id: str | None) -> bool:
    """The mode of a client id.

    Raises:
        OAuthError: It is none of the sandbox's.
    """
    for livemode, known in CLIENT_IDS.items():
        if known == client_id:
            return livemode
    raise OAuthError(INVALID_CLIENT, "No application matches the supplied client identifier")
