"""The Stripe API over ASGI: from a request to an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from stripe_sandbox import access, endpoints, faults, forms, operations, versions, wire
from stripe_sandbox.errors import ApiError, unrecognized_url
from stripe_sandbox.idempotency import Answer
from stripe_sandbox.meter import limited, locked
from stripe_sandbox.routes import Match, Router
from stripe_sandbox.state import Mode, State, StateHolder


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, on its way."""

    request_id: str
    match: Match
    mode: Mode
    version: str
    tree: Mapping[str, Any]
    key: str | None
    fingerprint: bytes


class StripeApi:
    """Everything under ``/v1``.

    Args:
        holder: Where the state is.
    """

    def __init__(self, holder: StateHolder) -> None:
        self._holder = holder
        self._router = Router()

    @property
    def state(self) -> State:
        """The sandbox as it is now."""
        return self._holder.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request_id = self.state.new_id("req_", 14)
        headers = {"request-id": request_id, "stripe-version": self.state.settings.api_version}
        body = await wire.read_body(receive)
        try:
            call = self._understand(scope, body, request_id)
        except ApiError as error:
            await wire.send_error(send, error, headers)
            return
        headers["stripe-version"] = call.version
        endpoint, meter = call.match.label, call.mode.meter
        limits = self.state.settings
        try:
            live = call.mode.store.livemode
            meter.admit(endpoint, limits.live_limits if live else limits.test_limits)
        except ApiError as error:
            await wire.send_error(send, error, headers)
            return
        try:
            await self._answer(call, headers, receive, send)
        finally:
            meter.leave(endpoint)

    def _understand(self, scope: Scope, body: bytes, request_id: str) -> _Call:
        method, path = str(scope["method"]), str(scope["path"])
        headers = wire.headers(scope)
        caller = access.authenticate(self.state, headers)
        version = headers.get("stripe-version") or self.state.default_version(caller.account)
        versions.check(version)
        match = self._router.match(method, path, version)
        access.authorize(caller, match, method)
        query = bytes(scope["query_string"])
        encoded = query if method in ("GET", "DELETE") or not body else body
        key = headers.get("idempotency-key") if method == "POST" else None
        return _Call(
            request_id,
            match,
            self.state.modes[caller.account, caller.livemode],
            version,
            forms.decode(encoded),
            key,
            b" ".join((method.encode(), path.encode(), encoded)),
        )

    async def _answer(
        self, call: _Call, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        endpoint, settings = call.match.label, self.state.settings
        if faults.strike(self.state, "reset", endpoint):
            await wire.reset(receive, send)
            return
        status, body = 200, b""
        try:
            body, status = await self._execute(call, headers)
        except ApiError as error:
            headers.update(error.headers)
            status, body = error.status, orjson.dumps({"error": error.body})
        if settings.latency and call.key is None:
            await asyncio.sleep(settings.latency)
        if status == 200 and faults.strike(self.state, "truncate", endpoint):  # noqa: PLR2004
            await wire.truncate(send, body, headers)
            return
        await wire.send_json(send, status, body, headers)

    async def _execute(self, call: _Call, headers: dict[str, str]) -> tuple[bytes, int]:
        state, endpoint = self.state, call.match.label
        if faults.strike(state, "gone", endpoint):
            raise unrecognized_url(*endpoint.split(" ", 1))
        refused = faults.strike(state, "rate_limit", endpoint)
        if refused is not None:
            call.mode.meter.refused[refused.reason] += 1
            raise limited(refused.reason)
        if faults.strike(state, "lock", endpoint):
            raise locked()
        if call.key is None:
            answer = self._run(call)
        else:
            answer = await self._run_once(call, call.key, headers)
        if answer.status >= 500:  # noqa: PLR2004
            headers["stripe-should-retry"] = "false"
        return answer.body, answer.status

    def _run(self, call: _Call) -> Answer:
        broken = faults.strike(self.state, "server_error", call.match.label)
        if broken is not None and not broken.applied:
            return _broken(broken.status)
        answer = Answer(200, operations.run(self.state, call.match, endpoints.Request(
            call.mode, call.version, call.tree, call.request_id, call.key
        )))  # fmt: skip
        return answer if broken is None else _broken(broken.status)

    async def _run_once(self, call: _Call, key: str, headers: dict[str, str]) -> Answer:
        keys = call.mode.idempotency
        stored = keys.begin(key, call.fingerprint)
        headers["idempotency-key"] = key
        if stored is not None:
            headers["idempotent-replayed"] = "true"
            return stored
        try:
            if self.state.settings.latency:
                await asyncio.sleep(self.state.settings.latency)
            answer = self._run(call)
        except BaseException:
            keys.release(key)
            raise
        keys.finish(key, answer)
        return answer


def _broken(status: int) -> Answer:
    body = {"error": {"message": "An unknown error occurred", "type": "api_error"}}
    return Answer(status, orjson.dumps(body))
