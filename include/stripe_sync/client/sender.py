"""Sends requests: rate limited, retried where that helps, errors mapped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import stripe

from stripe_sync.client.answers import Answer, problem_of
from stripe_sync.client.credential import Credential
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
    ConfigurationError,
    RateLimited,
    StripeUnavailable,
    UnusableAnswer,
)
from stripe_sync.records import canonical_json

# A request that is written later than this after its permit asks for another one. Together with the
# lateness that the rate limiter allows, it is less than the jitter that its window absorbs.
_MAX_SEND_DELAY = 0.01


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


class Sender:
    """Sends the requests of one account.

    Args:
        credential: Key, API base and account.
        api_version: Stripe-Version of each request, unless the request names another.
        rate_limiter: Asked before each attempt; closed together with this.
        retry: Number of attempts and waits.
        clock: Sleeps between attempts.
        stripe_clock: What is known of Stripe's clock; None for nothing yet.

    Attributes:
        stats: What was sent.
        stripe_clock: Stripe's clock, read from each answer.
    """

    def __init__(
        self,
        credential: Credential,
        *,
        api_version: str,
        rate_limiter: RateLimiter,
        retry: RetryPolicy | None,
        clock: Clock | None,
        stripe_clock: StripeClock | None,
    ) -> None:
        self.stats = RequestStats()
        self._credential = credential
        self._api_version = api_version
        self._rate_limiter = rate_limiter
        self._retry = retry or RetryPolicy()
        self._clock = clock or SystemClock()
        self.stripe_clock = stripe_clock or StripeClock(self._clock)
        self._transport: Transport | None = None
        self._sdk: stripe.StripeClient | None = None

    def open(self) -> None:
        """Begin; in an event loop."""
        self._transport = Transport(self._retry.timeouts, self._credential)
        self._sdk = stripe.StripeClient(
            self._credential.api_key,
            stripe_account=self._credential.account,
            stripe_version=self._api_version,
            base_addresses={"api": self._credential.api_base},
            max_network_retries=0,  # retried here, so that the rate limiter counts each attempt
            http_client=self._transport,
        )

    async def close(self) -> None:
        """Close all connections, and the rate limiter."""
        self._sdk = None
        if self._transport is not None:
            await self._transport.close_async()
        await self._rate_limiter.aclose()

    async def permit(self, endpoint: str, priority: Priority) -> Permit:
        """Wait until one request may be sent."""
        await self._rate_limiter.acquire(endpoint, priority)
        return Permit(self._clock.monotonic())

    async def send(
        self,
        call: StripeRequest,
        permit: Permit | None = None,
        retry: RetryPolicy | None = None,
        failures: list[AttemptFailure] | None = None,
    ) -> Answer:
        """Send a request until it succeeds.

        Args:
            call: The request.
            permit: From ``permit``; None to wait here.
            retry: Number of attempts and waits; None for this one's own.
            failures: Failed attempts are added to it.
        """
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
