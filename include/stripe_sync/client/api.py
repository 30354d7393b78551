"""Requests to Stripe: rate limited, retried where that helps, errors mapped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, Self

import stripe

from stripe_sync.client.answers import Answer, RawAnswer, WriteAnswer, as_write
from stripe_sync.client.credential import STRIPE_API_BASE, Credential
from stripe_sync.client.envelope import problem_of
from stripe_sync.client.error_mapping import (
    AttemptFailure,
    from_error_answer,
    no_connection,
    unusable_answer,
)
from stripe_sync.client.rate_limit.limits import Priority, RateLimiter
from stripe_sync.client.request import StripeRequest
from stripe_sync.client.retry import RetryPolicy
from stripe_sync.client.stripe_clock import StripeClock
from stripe_sync.client.transport import (
    NoConnection,
    PassedBody,
    Transport,
    before_send,
    raw_body,
)
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    RateLimited,
    StripeError,
    StripeUnavailable,
    UnusableAnswer,
)
from stripe_sync.records import canonical_json
from stripe_sync.records.canonical_json import JsonObject

# A request that is written later than this after its permit asks for another one. Together with the
# lateness that the rate limiter allows, it is less than the jitter that its window absorbs.
_MAX_SEND_DELAY = 0.01

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")


@dataclass(slots=True)
class RequestStats:
    """What a client has sent so far.

    Attributes:
        requests: Requests sent, retries included.
        retries: Retries among them.
        rate_limited: Answers with status 429 and a reason.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0


@dataclass(slots=True)
class Permit:
    """Permission to send one request now; good for one attempt, without waiting in between.

    Attributes:
        granted_at: Monotonic seconds.
        used: Whether an attempt was made with it.
    """

    granted_at: float = 0.0
    used: bool = False


class StripeApi:
    """One account over HTTP; an asynchronous context manager that may be entered once.

    Paths are templates (``/v1/customers/{customer}``): the template names the endpoint for pacing
    and for messages, the values are quoted. Parameters are encoded as the official SDK does.
    All methods raise the ``StripeError`` family, and ``WarehouseError`` from the rate limiter.

    Args:
        credential: Key, API base and account.
        api_version: Stripe-Version of each request, unless the request names another.
        rate_limiter: Asked before each attempt; closed together with this.
        retry: Number of attempts and waits.
        clock: Sleeps between attempts.
        stripe_clock: What is known of Stripe's clock; None for nothing yet.

    Attributes:
        is_stripe: Whether the server is Stripe's own, which allots reads by the month.
        stats: What was sent.
        stripe_clock: Stripe's clock, read from each answer.
    """

    def __init__(
        self,
        credential: Credential,
        *,
        api_version: str,
        rate_limiter: RateLimiter,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        stripe_clock: StripeClock | None = None,
    ) -> None:
        self.is_stripe = credential.api_base == STRIPE_API_BASE
        self.stats = RequestStats()
        self._credential = credential
        self._api_version = api_version
        self._rate_limiter = rate_limiter
        self._retry = retry or RetryPolicy()
        self._clock = clock or SystemClock()
        self.stripe_clock = stripe_clock or StripeClock(self._clock)
        self._transport: Transport | None = None
        self._sdk: stripe.StripeClient | None = None

    async def __aenter__(self) -> Self:
        self._transport = Transport(self._retry.timeouts, self._credential)
        self._sdk = stripe.StripeClient(
            self._credential.api_key,
            stripe_account=self._credential.account,
            stripe_version=self._api_version,
            base_addresses={"api": self._credential.api_base},
            max_network_retries=0,  # retried here, so that the rate limiter counts each attempt
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
        """Wait until one GET may be sent, for callers that choose the page only then.

        Args:
            template: As for ``get``, which must follow without any other wait.
            priority: Live requests are served first.
        """
        await self._rate_limiter.acquire(f"GET {template}", priority)
        return Permit(self._clock.monotonic())

    async def get(
        self,
        template: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        api_version: str | None = None,
        permit: Permit | None = None,
        retry: RetryPolicy | None = None,
    ) -> JsonObject:
        """Read one object.

        Args:
            template: ``/v1/customers/{customer}``.
            path_params: Values for the braces.
            params: Query parameters, nested as in Stripe's documentation.
            priority: Live requests are served first.
            api_version: Stripe-Version for this request only.
            permit: From ``permit``; None to wait here.
            retry: Number of attempts and waits of this request; None for the client's own.

        Returns:
            The parsed body; nested lists may be cut.
        """
        options = _version(api_version)
        call = StripeRequest("get", template, path_params or {}, params or {}, priority, options)
        return (await self._send(call, permit, retry)).body

    async def get_page(
        self,
        template: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        priority: Priority,
        api_version: str | None = None,
        permit: Permit | None = None,
        retry: RetryPolicy | None = None,
        may_shrink: bool = False,
    ) -> JsonObject:
        """Read one page of a list; the arguments of ``get``.

        Args:
            template: ``/v1/customers``.
            path_params: Values for the braces.
            params: Query parameters, nested as in Stripe's documentation.
            priority: Live requests are served first.
            api_version: Stripe-Version for this request only.
            permit: From ``permit``; None to wait here.
            retry: Number of attempts and waits of this request; None for the client's own.
            may_shrink: Whether the caller asks for a smaller page where this one is cut, late or
                answered with 5xx: it is then not tried again here.

        Returns:
            The page: ``data`` is an array, ``has_more`` is true or false, and then not empty.

        Raises:
            UnusableAnswer: No attempt was answered with a page.
        """
        options = _version(api_version)
        call = StripeRequest(
            "get",
            template,
            path_params or {},
            params or {},
            priority,
            options,
            is_page=True,
            may_shrink=may_shrink,
        )
        return (await self._send(call, permit, retry)).body

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
            idempotency_key: 1 to 255 printable ASCII characters, unique to this change; Stripe
                applies it once however often it is sent within 24 hours.
            priority: Live requests are served first.
            api_version: Stripe-Version for this request only.

        Returns:
            The object after the change.
        """
        if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            message = "an idempotency key has 1 to 255 printable ASCII characters"
            raise ConfigurationError(message)
        options = {"idempotency_key": idempotency_key, **_version(api_version)}
        call = StripeRequest("post", template, path_params or {}, params or {}, priority, options)
        return (await self._send(call)).body

    async def write(
        self,
        method: str,
        template: str,
        path_params: Mapping[str, str],
        params: Mapping[str, str],
        *,
        idempotency_key: str,
        api_version: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> WriteAnswer:
        """Send a request that changes something, so that the caller learns what may have happened.

        Args:
            method: ``post`` or ``delete``; Stripe ignores the key of a DELETE.
            template: ``/v1/customers/{customer}``.
            path_params: Values for the braces.
            params: Form fields with flat names, ``metadata[order]``.
            idempotency_key: As for ``post``.
            api_version: Stripe-Version for this request only.
            retry: Number of attempts and waits; None for the client's own.

        Raises:
            StripeError: Its attribute ``may_have_run`` says whether Stripe may have executed an
                attempt.
        """
        options = {"idempotency_key": idempotency_key, **_version(api_version)}
        call = StripeRequest(
            method, template, path_params, params, Priority.LIVE, options, is_object=True
        )
        failures: list[AttemptFailure] = []
        try:
            answer = await self._send(call, retry=retry, failures=failures)
        except StripeError as error:
            error.may_have_run = any(each.error.is_outcome_unknown for each in failures)
            raise
        return as_write(answer, is_first=not failures)

    async def pass_through(
        self,
        method: str,
        template: str,
        path_params: Mapping[str, str],
        *,
        query: str = "",
        body: str | None = None,
        idempotency_key: str | None = None,
        api_version: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> RawAnswer:
        """Send a request of somebody else, and return whatever Stripe answers.

        Args:
            method: ``get``, ``post`` or ``delete``.
            template: ``/v1/customers/{customer}``.
            path_params: Values for the braces.
            query: The query string, encoded.
            body: The form-encoded body of a POST; None for none.
            idempotency_key: As for ``post``; None for none.
            api_version: Stripe-Version for this request only.
            retry: Number of attempts and waits; None for the client's own.

        Raises:
            AuthenticationError: Stripe refuses the key: that is not the caller's.
            StripeError: Stripe does not answer; ``may_have_run`` as for ``write``.
        """
        options = _version(api_version)
        if idempotency_key is not None:
            options["idempotency_key"] = idempotency_key
        call = StripeRequest(
            method,
            template,
            path_params,
            {},
            Priority.LIVE,
            options,
            raw_query=query,
            raw_body=body,
        )
        failures: list[AttemptFailure] = []
        try:
            answer = await self._send(call, retry=retry, failures=failures)
        except AuthenticationError:
            raise
        except StripeError as error:
            error.may_have_run = any(each.error.is_outcome_unknown for each in failures)
            last = failures[-1] if failures else None
            if last is None or last.body is None or error.status is None:
                raise
            return RawAnswer(error.status, last.headers, last.body, None)
        write = as_write(answer, is_first=not failures)
        return RawAnswer(answer.status, answer.headers, answer.content, write)

    async def _send(
        self,
        call: StripeRequest,
        permit: Permit | None = None,
        retry: RetryPolicy | None = None,
        failures: list[AttemptFailure] | None = None,
    ) -> Answer:
        """Send a request until it succeeds; failed attempts are added to ``failures``."""
        policy = retry or self._retry
        failed = [] if failures is None else failures

        def count(failure: AttemptFailure) -> None:
            self.stats.retries += 1
            failed.append(failure)

        retrying = policy.retrying(self._clock, count)
        outcome: Answer | AttemptFailure = await retrying(
            self._attempt_of, call, permit or Permit(used=True), policy.timeouts.total
        )
        if isinstance(outcome, AttemptFailure):
            failed.append(outcome)
            raise outcome.error
        return outcome

    async def _attempt_of(
        self, call: StripeRequest, permit: Permit, seconds: float
    ) -> Answer | AttemptFailure:
        outcome = await self._attempt(call, permit, seconds)
        if (
            call.may_shrink
            and isinstance(outcome, AttemptFailure)
            and isinstance(outcome.error, UnusableAnswer | StripeUnavailable)
        ):
            return replace(outcome, retry=False)
        return outcome

    async def _attempt(
        self, call: StripeRequest, permit: Permit, seconds: float
    ) -> Answer | AttemptFailure:
        if permit.used:
            await self._rate_limiter.acquire(call.endpoint, call.priority)
            permit.granted_at = self._clock.monotonic()
        permit.used = True
        if self._sdk is None:
            message = "a StripeApi sends requests inside its 'async with' block only"
            raise ConfigurationError(message)
        self.stats.requests += 1
        sent = self.stripe_clock.monotonic()
        before_send.set(partial(self._renew_permit, call, permit))
        raw_body.set(call.raw_body)
        try:
            async with asyncio.timeout(seconds):
                response = await self._sdk.raw_request_async(
                    call.method, call.url, **call.params, **call.options
                )
        except TimeoutError:
            return unusable_answer(
                call.endpoint, self._credential.host, f"timed out: {seconds:g} s"
            )
        except NoConnection as error:
            return no_connection(call.endpoint, self._credential.host, str(error.user_message))
        except stripe.APIConnectionError as error:
            return unusable_answer(call.endpoint, self._credential.host, str(error.user_message))
        except stripe.StripeError as error:
            self.stripe_clock.add(error.headers or {}, sent=sent)
            acting_on = self._credential.account
            failure = from_error_answer(call.endpoint, error, acting_on=acting_on)
        else:
            self.stripe_clock.add(response.headers, sent=sent)
            return self._parse(call, response)
        if isinstance(failure.error, RateLimited):
            self.stats.rate_limited += 1
            await self._rate_limiter.slow_down(call.endpoint, failure.error.reason)
        return failure

    async def _renew_permit(self, call: StripeRequest, permit: Permit) -> None:
        """Wait for another slot if opening the connection took longer than the permit is good.

        Used late, slots would bunch up, and a second would have more requests than the limit. The
        request has waited for its turn before, so it goes before backfills now.
        """
        priority = call.priority if call.priority is Priority.LIVE else Priority.RENEWAL
        while self._clock.monotonic() - permit.granted_at > _MAX_SEND_DELAY:
            await self._rate_limiter.acquire(call.endpoint, priority)
            permit.granted_at = self._clock.monotonic()

    def _parse(self, call: StripeRequest, response: Any) -> Answer | AttemptFailure:
        passed: PassedBody = response.body
        try:
            body = canonical_json.loads(passed.content)
        except ValueError as error:
            return unusable_answer(call.endpoint, self._credential.host, f"not whole JSON: {error}")
        if problem := problem_of(body, is_page=call.is_page, is_object=call.is_object):
            return unusable_answer(call.endpoint, self._credential.host, problem)
        return Answer(body, response.headers, passed.content, response.code)


def _version(api_version: str | None) -> dict[str, str]:
    """The SDK's option for a version; none for the client's own."""
    return {"stripe_version": api_version} if api_version else {}
