"""Requests to Stripe with one priority and a bound on how many are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stripe_sync.client import Permit, Priority, RetryPolicy, StripeApi
from stripe_sync.client.answers import problem_of_object
from stripe_sync.clock import Clock
from stripe_sync.errors import InvalidRequest, PermissionDenied, StripeError, UnusableAnswer
from stripe_sync.extract.lists.page_size import PageSize
from stripe_sync.extract.refusals import NO_ANSWER, Lack, Refusals
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAsideObjects

IN_FLIGHT = 32
"""Requests of one ``Requester`` at a time; the rate limit decides when each is sent."""

DENIALS = 3
"""Requests in which a field is denied before it is left out of all: a 403 may be about one object
of a page, a 400 is about the field."""


@dataclass(slots=True)
class RefusedFields:
    """Fields that Stripe refuses to expand, by path of the request; for the life of a process.

    Attributes:
        denials: How often each was refused without ever being accepted.
        accepted: Those that were accepted once.
    """

    denials: dict[tuple[str, str], int] = field(default_factory=dict)
    accepted: set[tuple[str, str]] = field(default_factory=set)

    def allowed(self, path: str, expand: Sequence[str]) -> list[str]:
        """Those of some fields that are worth asking for."""
        return [each for each in expand if self.denials.get((path, each), 0) < DENIALS]

    def accept(self, path: str, expand: Sequence[str]) -> None:
        """Remember that Stripe expanded fields."""
        self.accepted.update((path, each) for each in expand)

    def refuse(self, path: str, name: str, error: StripeError) -> None:
        """Remember that Stripe refused to expand a field."""
        key = path, name
        if key not in self.accepted:
            more = 1 if isinstance(error, PermissionDenied) else DENIALS
            self.denials[key] = self.denials.get(key, 0) + more


@dataclass(frozen=True, slots=True)
class Requester:
    """Sends GET requests.

    A field that Stripe refuses to expand is left out and recorded: the objects are worth more than
    one field of theirs.

    Attributes:
        api: The client.
        clock: Gives the time at which a request is sent.
        priority: Priority of all requests.
        slots: Bounds the requests in flight. Do not call ``get`` while holding one of them.
        retry: Number of attempts and waits of each request; None for the client's own.
        page_sizes: How many objects per page each list can be asked for at present, by its path.
        set_aside: What Stripe returned and cannot be stored.
        unreadable: Unix seconds of creation of objects that Stripe cannot return, by path.
        refusals: What Stripe refused so far.
        refused_fields: Fields that are not expanded any more.
    """

    api: StripeApi
    clock: Clock
    priority: Priority = Priority.BACKFILL
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    retry: RetryPolicy | None = None
    page_sizes: dict[str, PageSize] = field(default_factory=dict)
    set_aside: SetAsideObjects = field(default_factory=SetAsideObjects)
    unreadable: dict[str, set[int]] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    refused_fields: RefusedFields = field(default_factory=RefusedFields)

    async def get(
        self,
        path: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        api_version: str | None = None,
    ) -> JsonObject:
        """Send a GET request; another one without the fields that Stripe refuses to expand.

        Args:
            path: Template, ``/v1/customers/{customer}``.
            path_params: Values of the placeholders.
            params: Query parameters.
            api_version: Stripe-Version, None for the client's own.

        Raises:
            StripeError: As the client raises it.
        """
        return await self._send(_Get(self, path, path_params, dict(params or {}), api_version))

    async def get_page(
        self,
        path: str,
        path_params: Mapping[str, str] | None,
        params: Mapping[str, Any],
        *,
        api_version: str | None = None,
        permit: Permit | None = None,
        may_shrink: bool = False,
    ) -> JsonObject:
        """Read one page of a list.

        Args:
            path: Template, ``/v1/customers``.
            path_params: Values of the placeholders.
            params: Query parameters.
            api_version: Stripe-Version, None for the client's own.
            permit: A permit obtained a moment ago: the request is then sent at once. None to wait
                for a slot and for the rate limit.
            may_shrink: Whether a smaller page is asked for where this one does not arrive.

        Raises:
            StripeError: As the client raises it.
        """
        request = _Get(self, path, path_params, dict(params), api_version, True, may_shrink)
        return await self._send(request, permit)

    async def check_answers(self) -> None:
        """Check that Stripe answers at all, whatever it answers.

        Raises:
            StripeError: Stripe fails or does not answer, after all retries.
        """
        try:
            await self.get("/v1/balance")
        except NO_ANSWER:
            raise
        except StripeError:
            return

    async def _send(self, request: _Get, permit: Permit | None = None) -> JsonObject:
        """Send a request; another one without the fields that Stripe refuses to expand."""
        wanted: list[str] = request.params.pop("expand", [])
        expand = self.refused_fields.allowed(request.path, wanted)
        try:
            answer = await request.send(expand, permit)
        except (InvalidRequest, PermissionDenied) as error:
            if not expand or not _may_be_about_expand(error):
                raise
            return await self._get_without_refused(request, expand, error)
        self.refused_fields.accept(request.path, expand)
        return answer

    async def _get_without_refused(
        self, request: _Get, expand: Sequence[str], error: StripeError
    ) -> JsonObject:
        """Send a request again with those fields that Stripe expands."""
        answer = await request.send(())
        accepted = []
        for name in expand:
            refused = error if len(expand) == 1 else await request.refusal([name])
            if refused is None:
                accepted.append(name)
            else:
                self.refused_fields.refuse(request.path, name, refused)
                source = f"{name.removeprefix('data.')} of {request.path}"
                self.refusals.add(Lack.FIELD, source, refused)
        return await request.send(accepted) if accepted else answer


@dataclass(frozen=True, slots=True)
class _Get:
    """A GET request without the fields to expand; ``is_page`` and ``may_shrink`` for a list."""

    requester: Requester
    path: str
    path_params: Mapping[str, str] | None
    params: dict[str, Any]
    api_version: str | None
    is_page: bool = False
    may_shrink: bool = False

    async def send(self, expand: Sequence[str], permit: Permit | None = None) -> JsonObject:
        """Send it with some fields to expand."""
        requester = self.requester
        get_page = partial(requester.api.get_page, may_shrink=self.may_shrink)
        send = get_page if self.is_page else requester.api.get
        async with requester.slots if permit is None else nullcontext():
            answer = await send(
                self.path,
                self.path_params,
                {**self.params, "expand": list(expand)} if expand else self.params,
                priority=requester.priority,
                api_version=self.api_version,
                permit=permit,
                retry=requester.retry,
            )
        if not self.is_page and (problem := problem_of_object(answer)):
            message = f"GET {self.path}: {problem}"
            raise UnusableAnswer(message)
        return answer

    async def refusal(self, expand: Sequence[str]) -> StripeError | None:
        """Why Stripe refuses to expand fields, None where it does not."""
        try:
            await self.send(expand)
        except (InvalidRequest, PermissionDenied) as error:
            return error
        return None


def _may_be_about_expand(error: StripeError) -> bool:
    """Whether a refusal may be about a field to expand: a 403 never names it."""
    return isinstance(error, PermissionDenied) or "expand" in str(error).lower()
