"""The requests to Stripe that there are: reads, pages, writes, those of others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from stripe_sync.client.answers import RawAnswer, WriteAnswer, as_write
from stripe_sync.client.credential import STRIPE_API_BASE, Credential
from stripe_sync.client.error_mapping import AttemptFailure
from stripe_sync.client.rate_limit.limits import Priority, RateLimiter
from stripe_sync.client.request import StripeRequest
from stripe_sync.client.retry import RetryPolicy
from stripe_sync.client.sender import Permit, Sender
from stripe_sync.client.stripe_clock import StripeClock
from stripe_sync.clock import Clock
from stripe_sync.errors import AuthenticationError, ConfigurationError, StripeError
from stripe_sync.records.canonical_json import JsonObject

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")


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
        self._sender = Sender(
            credential,
            api_version=api_version,
            rate_limiter=rate_limiter,
            retry=retry,
            clock=clock,
            stripe_clock=stripe_clock,
        )
        self.stats = self._sender.stats
        self.stripe_clock = self._sender.stripe_clock

    async def __aenter__(self) -> Self:
        self._sender.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._sender.close()

    async def permit(self, template: str, *, priority: Priority) -> Permit:
        """Wait until one GET may be sent, for callers that choose the page only then.

        Args:
            template: As for ``get``, which must follow without any other wait.
            priority: Live requests are served first.
        """
        return await self._sender.permit(f"GET {template}", priority)

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
        return (await self._sender.send(call, permit, retry)).body

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
        return (await self._sender.send(call, permit, retry)).body

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
        return (await self._sender.send(call)).body

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
            answer = await self._sender.send(call, retry=retry, failures=failures)
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
            answer = await self._sender.send(call, retry=retry, failures=failures)
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


def _version(api_version: str | None) -> dict[str, str]:
    """The SDK's option for a version; none for the client's own."""
    return {"stripe_version": api_version} if api_version else {}
