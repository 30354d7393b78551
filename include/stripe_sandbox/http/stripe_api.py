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
from stripe_sandbox.requests.idempotency import Response
from stripe_sandbox.requests.rate_limits import lock_timeout_error, rate_limit_error
from stripe_sandbox.requests.router import Match, Router
from stripe_sandbox.state import faults
from stripe_sandbox.state.sandbox_state import Mode, State, StateHolder


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
    fingerprint: bytes


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
        key = headers.get("idempotency-key") if method == "POST" else None
        return _Call(
            request_id,
            match,
            f"{path}?{unquote(query.decode())}" if query else path,
            self.state.modes[caller.account, caller.livemode],
            version,
            form_parameters.decode(encoded),
            key,
            b" ".join((method.encode(), path.encode(), encoded)),
        )

    async def _respond(
        self, call: _Call, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        endpoint, settings = call.match.label, self.state.settings
        if faults.take_fault(self.state, "reset", endpoint):
            await asgi_io.reset_connection(receive, send)
            return
        status, body = 200, b""
        try:
            body, status = await self._execute(call, headers)
        except ApiError as error:
            headers.update(error.headers)
            status, body = error.status, orjson.dumps({"error": error.body})
        if settings.latency and call.key is None:
            await asyncio.sleep(settings.latency)
        if status == 200 and faults.take_fault(self.state, "truncate", endpoint):  # noqa: PLR2004
            await asgi_io.send_truncated(send, body, headers)
            return
        await asgi_io.send_json(send, status, body, headers)

    async def _execute(self, call: _Call, headers: dict[str, str]) -> tuple[bytes, int]:
        state, endpoint = self.state, call.match.label
        if faults.take_fault(state, "gone", endpoint, url=call.url):
            raise unrecognized_url(*endpoint.split(" ", 1))
        expand = call.tree.get("expand")
        fields = expand.values() if isinstance(expand, dict) else ()
        refusal = faults.take_fault(state, "refuse", endpoint, url=call.url, expand=fields)
        if refusal is not None:
            raise ApiError(refusal.status, refusal.message, code=refusal.code)
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
        return response.body, response.status

    def _run(self, call: _Call) -> Response:
        fault = faults.take_fault(self.state, "server_error", call.match.label)
        if fault is not None and not fault.applied:
            return _server_error(fault.status)
        request = Request(call.mode, call.version, call.tree, call.request_id, call.key)
        response = Response(200, operations.run(self.state, call.match, request))
        return response if fault is None else _server_error(fault.status)

    async def _run_once(self, call: _Call, key: str, headers: dict[str, str]) -> Response:
        keys = call.mode.idempotency
        stored = keys.begin(key, call.fingerprint)
        headers["idempotency-key"] = key
        if stored is not None:
            headers["idempotent-replayed"] = "true"
            return stored
        try:
            if self.state.settings.latency:
                await asyncio.sleep(self.state.settings.latency)
            response = self._run(call)
        except BaseException:
            keys.release(key)
            raise
        keys.finish(key, response)
        return response


def _server_error(status: int) -> Response:
    body = {"error": {"message": "An unknown error occurred", "type": "api_error"}}
    return Response(status, orjson.dumps(body))
