"""Requests to Stripe: paced, repeated where that helps, errors named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import stripe

from stripe_sync.client.credential import Credential
from stripe_sync.client.error_mapping import AttemptFailure, refused, unreachable
from stripe_sync.client.rate_limit.limits import Priority, RateLimiter
from stripe_sync.client.request import StripeRequest
from stripe_sync.client.retry import RetryPolicy
from stripe_sync.client.transport import ACCOUNT_DEFAULT_VERSION, PassedBody, Transport
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import ConfigurationError, RateLimited
from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")


@dataclass(slots=True)
class RequestStats:
    """What a client has sent so far.

    Attributes:
        requests: Requests sent, repetitions included.
        retries: Repetitions among them.
        rate_limited: Answers that said there were too many requests.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0


@dataclass(slots=True)
class Permit:
    """That a request may leave now; good for one attempt, taken at once."""

    used: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    body: JsonObject
    headers: Mapping[str, str]


class StripeApi:
    """One account over HTTP; an asynchronous context manager that may be entered once.

    Paths are templates (``/v1/customers/{customer}``): the template names the endpoint for pacing
    and for messages, the values are quoted. Parameters are encoded as the official SDK does.
    All methods raise the ``StripeError`` family, and what the pacer raises.

    Args:
        credential: Whose account.
        api_version: Stripe-Version of each request, unless the request names another.
        rate_limiter: Grants each attempt its time; closed together with this.
        retry: How hard to try.
        clock: Waits between attempts.
    """

    def __init__(
        self,
        credential: Credential,
        *,
        api_version: str,
        rate_limiter: RateLimiter,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.stats = RequestStats()
        self._credential = credential
        self._api_version = api_version
        self._rate_limiter = rate_limiter
        self._retry = retry or RetryPolicy()
        self._clock = clock or SystemClock()
        self._transport: Transport | None = None
        self._sdk: stripe.StripeClient | None = None

    async def __aenter__(self) -> Self:
        self._transport = Transport(self._retry.timeouts)
        self._sdk = stripe.StripeClient(
            self._credential.api_key,
            stripe_account=self._credential.account,
            stripe_version=self._api_version,
            base_addresses={"api": self._credential.api_base},
            max_network_retries=0,  # repeating is done here, where the pacer is asked each time
            http_client=self._transport,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sdk = None
        if self._transport is not None:
            await self._transport.close_async()
        await self._rate_limiter.aclose()

    async def permit(self, template: str, *, priority: Priority) -> Permit:
        """Wait until something may be read, for who decides only then what that shall be.

        Args:
            template: As for ``get``, which has to follow without waiting for anything else.
            priority: Who asks.
        """
        await self._rate_limiter.acquire(f"GET {template}", priority)
        return Permit()

    async def get(
        self,
        template: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        api_version: str | None = None,
        permit: Permit | None = None,
    ) -> JsonObject:
        """Read one object or one page.

        Args:
            template: ``/v1/customers/{customer}``.
            path_params: Values for the braces.
            params: Query parameters, nested as in Stripe's documentation.
            priority: Who asks.
            api_version: Stripe-Version for this request only.
            permit: What ``permit`` gave; None to wait here.

        Returns:
            The parsed body; lists are left as they are.
        """
        options = _version(api_version)
        call = StripeRequest("get", template, path_params or {}, params or {}, priority, options)
        return (await self._send(call, permit)).body

    async def post(
        self,
        template: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str,
        priority: Priority = Priority.LIVE,
        api_version: str | None = None,
    ) -> JsonObject:
        """Create or change something.

        Args:
            template: ``/v1/customers/{customer}``.
            path_params: Values for the braces.
            params: Body parameters, nested as in Stripe's documentation.
            idempotency_key: 1 to 255 printable ASCII characters that stand for this very change;
                Stripe does it once however often it is sent within a day.
            priority: Who asks.
            api_version: Stripe-Version for this request only.

        Returns:
            The object as Stripe shows it after the change.
        """
        if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            message = "an idempotency key has 1 to 255 printable ASCII characters"
            raise ConfigurationError(message)
        options = {"idempotency_key": idempotency_key, **_version(api_version)}
        call = StripeRequest("post", template, path_params or {}, params or {}, priority, options)
        return (await self._send(call)).body

    async def delete(
        self,
        template: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        priority: Priority = Priority.LIVE,
        api_version: str | None = None,
    ) -> JsonObject:
        """Delete or cancel something.

        Stripe has no idempotency keys for this. When an attempt was carried out but its answer got
        lost, the next one ends in ``NotFound``: that means deleted just as well.

        Args:
            template: ``/v1/customers/{customer}``.
            path_params: Values for the braces.
            params: Query parameters.
            priority: Who asks.
            api_version: Stripe-Version for this request only.

        Returns:
            What Stripe leaves of the object.
        """
        options = _version(api_version)
        call = StripeRequest("delete", template, path_params or {}, params or {}, priority, options)
        return (await self._send(call)).body

    async def default_api_version(self) -> str | None:
        """The account's default Stripe-Version, in which Stripe renders its Stripe events.

        Returns:
            None when Stripe does not say.
        """
        options = _version(ACCOUNT_DEFAULT_VERSION)
        call = StripeRequest("get", "/v1/account", {}, {}, Priority.LIVE, options)
        return (await self._send(call)).headers.get("Stripe-Version")

    async def _send(self, call: StripeRequest, permit: Permit | None = None) -> _Answer:
        retrying = self._retry.retrying(self._clock, self._count_retry)
        outcome: _Answer | AttemptFailure = await retrying(
            self._attempt, call, permit or Permit(used=True)
        )
        if isinstance(outcome, AttemptFailure):
            raise outcome.error
        return outcome

    def _count_retry(self, _failure: AttemptFailure) -> None:
        self.stats.retries += 1

    async def _attempt(self, call: StripeRequest, permit: Permit) -> _Answer | AttemptFailure:
        if permit.used:
            await self._rate_limiter.acquire(call.endpoint, call.priority)
        permit.used = True
        if self._sdk is None:
            message = "a StripeApi sends requests inside its 'async with' block only"
            raise ConfigurationError(message)
        self.stats.requests += 1
        try:
            response = await self._sdk.raw_request_async(
                call.method, call.url, **call.params, **call.options
            )
        except stripe.APIConnectionError as error:
            return unreachable(call.endpoint, self._credential.host, str(error.user_message))
        except stripe.StripeError as error:
            failure = refused(call.endpoint, error)
        else:
            return self._parsed(call, response)
        if isinstance(failure.error, RateLimited):
            self.stats.rate_limited += 1
            await self._rate_limiter.slow_down(call.endpoint, failure.error.reason)
        return failure

    def _parsed(self, call: StripeRequest, response: Any) -> _Answer | AttemptFailure:
        passed: PassedBody = response.body
        try:
            body = canonical_json.loads(passed.content)
        except ValueError as error:
            return unreachable(call.endpoint, self._credential.host, f"not whole JSON: {error}")
        if not isinstance(body, dict):
            return unreachable(call.endpoint, self._credential.host, "JSON, but not an object")
        return _Answer(body, response.headers)


def _version(api_version: str | None) -> dict[str, str]:
    """The SDK's option for a version; none for the client's own."""
    return {"stripe_version": api_version} if api_version else {}
