"""Requests to Stripe with one priority and a bound on how many are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from stripe_sync.client import Permit, Priority, RetryPolicy, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.extract.lists.page_size import PageSize
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAsideObjects

IN_FLIGHT = 32
"""Requests of one ``Requester`` at a time; the rate limit decides when each is sent."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Sends GET requests.

    Attributes:
        api: The client.
        clock: Gives the time at which a request is sent.
        priority: Priority of all requests.
        slots: Bounds the requests in flight. Do not call ``get`` while holding one of them.
        retry: Number of attempts and waits of each request; None for the client's own.
        page_sizes: How many objects per page each list can be asked for at present, by its path.
        set_aside: What Stripe returned and cannot be stored.
        unreadable: Unix seconds of creation of objects that Stripe cannot return, by path.
    """

    api: StripeApi
    clock: Clock
    priority: Priority = Priority.BACKFILL
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    retry: RetryPolicy | None = None
    page_sizes: dict[str, PageSize] = field(default_factory=dict)
    set_aside: SetAsideObjects = field(default_factory=SetAsideObjects)
    unreadable: dict[str, set[int]] = field(default_factory=dict)

    async def get(
        self,
        path: str,
        path_params: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        api_version: str | None = None,
    ) -> JsonObject:
        """Send a GET request.

        Args:
            path: Template, ``/v1/customers/{customer}``.
            path_params: Values of the placeholders.
            params: Query parameters.
            api_version: Stripe-Version, None for the client's own.

        Raises:
            StripeError: As the client raises it.
        """
        async with self.slots:
            return await self.api.get(
                path, path_params, params, priority=self.priority, api_version=api_version
            )

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
        async with self.slots if permit is None else nullcontext():
            return await self.api.get_page(
                path,
                path_params,
                params,
                priority=self.priority,
                api_version=api_version,
                permit=permit,
                retry=self.retry,
                may_shrink=may_shrink,
            )
