"""The Stripe API as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.types import Receive, Scope, Send

from stripe_sandbox.endpoints import operations
from stripe_sandbox.endpoints.responses import Request
from stripe_sandbox.errors import ApiError, unrecognized_url
from stripe_sandbox.http import asgi_io, authentication
from stripe_sandbox.rendering import api_versions
from stripe_sandbox.requests import form_parameters
from stripe_sandbox.requests.idempotency import Response, Use, is_stored
from stripe_sandbox.requests.rate_limits import lock_timeout_error, rate_limit_error
from stripe_sandbox.requests.router import Match, Router
from stripe_sandbox.state import faults
from stripe_sandbox.state.sandbox_state import Mode, State, StateHolder
from stripe_sandbox.writes.payments.attempts import PAYING
from stripe_sandbox.writes.payments.cards import Decline


@dataclass(frozen=True, slots=True)
class _Call:
    """One authorized request."""

    request_id: str
    match: Match
    url: str
    mode: Mode
    version: str
    tree: Mapping[str, Any]
    key: str | None
    fingerprint: str


class StripeApi:
    """The routes under ``/v1``.

    Args:
        holder: Has the state.
    """

    def __init__(self, holder: StateHolder) -> None:
        self._holder = holder
        self._router = Router()

    @property
    def state(self) -> State:
        """The current state."""
        return self._holder.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request (ASGI)."""
        request_id = self.state.new_id("req_", 14)
        headers = {
            "date": formatdate(self.state.clock.now(), usegmt=True),
            "request-id": request_id,
            "stripe-version": self.state.settings.api_version,
        }
        key = _idempotency_key(scope)
        if key is not None:
            headers.update({"idempotency-key": key, "original-request": request_id})
        body = await asgi_io.read_body(receive)
        try:
            call = self._parse(scope, body, request_id)
        except ApiError as error:
            await asgi_io.send_error(send, error, headers)
            return
        headers["stripe-version"] = call.version
        endpoint, meter = call.match.label, call.mode.meter
        limits = self.state.settings
        try:
            live = call.mode.store.livemode
            meter.admit(endpoint, limits.live_limits if live else limits.test_limits)
        except ApiError as error:
            await asgi_io.send_error(send, error, headers)
            return
        try:
            await self._respond(call, headers, receive, send)
        finally:
            meter.leave(endpoint)

    def _parse(self, scope: Scope, body: bytes, request_id: str) -> _Call:
        method, path = str(scope["method"]), str(scope["path"])
        headers = asgi_io.headers(scope)
        caller = authentication.authenticate(self.state, headers)
        version = headers.get("stripe-version") or self.state.default_version(caller.account)
        api_versions.validate(version)
        match = self._router.match(method, path, version)
        newer = self.state.settings.newer_permission_errors
        authentication.authorize(caller, match, method, newer=newer)
        query = bytes(scope["query_string"])
        encoded = query if method in ("GET", "DELETE") or not body else body
        tree = form_parameters.decode(encoded)
        return _Call(
            request_id,
            match,
            f"{path}?{unquote(query.decode())}" if query else path,
            self.state.modes[caller.account, caller.livemode],
            version,
            tree,
            _idempotency_key(scope),
            _fingerprint(method, path, tree),
        )

    async def _respond(
        self, call: _Call, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        endpoint, settings = call.match.label, self.state.settings
        reset = faults.take_fault(self.state, "reset", endpoint)
        if reset is not None and not reset.applied:
            await asgi_io.reset_connection(receive, send)
            return
        try:
            response = await self._execute(call, headers)
        except ApiError as error:
            headers.update(error.headers)
            response = _refusal(error)
        if settings.latency and call.key is None:
            await asyncio.sleep(settings.latency)
        slow = faults.take_fault(self.state, "slow", endpoint)
        if slow is not None:
            await asyncio.sleep(slow.seconds)
        if reset is not None:
            await asgi_io.reset_connection(receive, send)
        elif response.status == 200 and faults.take_fault(self.state, "truncate", endpoint):  # noqa: PLR2004
            await asgi_io.send_truncated(send, response.body, headers)
        else:
            await asgi_io.send_json(send, response.status, response.body, headers)

    async def _execute(self, call: _Call, headers: dict[str, str]) -> Response:
        state, endpoint = self.state, call.match.label
        if faults.take_fault(state, "gone", endpoint, url=call.url):
            raise unrecognized_url(*endpoint.split(" ", 1))
        limit = faults.take_fault(state, "rate_limit", endpoint)
        if limit is not None:
            call.mode.meter.refused[limit.reason] += 1
            raise rate_limit_error(limit.reason)
        if faults.take_fault(state, "lock", endpoint):
            raise lock_timeout_error()
        if call.key is None:
            response = self._run(call)
        else:
            response = await self._run_once(call, call.key, headers)
        if response.status >= 500:  # noqa: PLR2004
            headers["stripe-should-retry"] = "false"
        return response

    def _run(self, call: _Call) -> Response:
        expand = call.tree.get("expand")
        fields = expand.values() if isinstance(expand, dict) else ()
        label = call.match.label
        refusal = faults.take_fault(self.state, "refuse", label, url=call.url, expand=fields)
        if refusal is not None:
            is_validation = (refusal.code or "").startswith("parameter_")
            raise ApiError(
                refusal.status, refusal.message, code=refusal.code, before_execution=is_validation
            )
        fault = faults.take_fault(self.state, "server_error", label)
        if fault is not None and not fault.applied:
            return _server_error(fault.status)
        declined = faults.take_fault(self.state, "card_error", label)
        reason = (declined.code or "card_declined") if declined is not None else None
        if reason is not None and label not in PAYING:
            raise Decline(reason).error()
        request = Request(call.mode, call.version, call.tree, call.request_id, call.key, reason)
        response = Response(200, operations.run(self.state, call.match, request))
        return response if fault is None else _server_error(fault.status)

    async def _run_once(self, call: _Call, key: str, headers: dict[str, str]) -> Response:
        keys = call.mode.idempotency
        use = Use(call.fingerprint, call.request_id, self.state.clock.now())
        known = keys.begin(key, use)
        headers["original-request"] = known.request_id
        if known.response is not None:
            headers["idempotent-replayed"] = "true"
            return known.response
        try:
            if self.state.settings.latency:
                await asyncio.sleep(self.state.settings.latency)
            use.response = self._run(call)
        except ApiError as error:
            if not is_stored(error):
                raise
            use.response = _refusal(error)
        finally:
            if use.response is None:
                keys.release(key)
        return use.response


def _idempotency_key(scope: Scope) -> str | None:
    """The key of a request; it has no effect on other methods than POST."""
    return asgi_io.headers(scope).get("idempotency-key") if scope["method"] == "POST" else None


def _fingerprint(method: str, path: str, tree: Mapping[str, Any]) -> str:
    """A request as its key knows it: the order of its parameters does not matter."""
    return f"{method} {path} {orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode()}"


def _refusal(error: ApiError) -> Response:
    return Response(error.status, orjson.dumps({"error": error.body}))


def _server_error(status: int) -> Response:
    body = {"error": {"message": "An unknown error occurred", "type": "api_error"}}
    return Response(status, orjson.dumps(body))
