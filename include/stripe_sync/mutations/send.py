"""Send one stored request, once: what Stripe answered decides what may be tried again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl

from stripe_sync.client import RetryPolicy
from stripe_sync.client.answers import WriteAnswer
from stripe_sync.client.transport import Timeouts
from stripe_sync.errors import (
    EndpointUnavailable,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    StripeError,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.sync.session import Session
from stripe_sync.warehouse.mutations.intents import Intent

WRITE_RETRY = RetryPolicy(attempts=4, max_wait=8.0, total=30.0, timeouts=Timeouts(total=60.0))
"""Of writes: somebody waits, and whoever tries again later does so with the same key."""

REFUSED = (InvalidRequest, PermissionDenied, NotFound, EndpointUnavailable)
"""Answers that stay the same for the same request."""


class SentRequest(Protocol):
    """A request that was sent: a stored one (``Intent``), or one that passes through."""

    @property
    def collection_id(self) -> str:
        """Collection of the object that it is about."""

    @property
    def path_params(self) -> JsonObject:
        """Values of the placeholders of its path."""

    @property
    def body(self) -> str | None:
        """Its form-encoded parameters."""

    @property
    def key(self) -> str | None:
        """Hash of the key of its run; None where it is not stored."""

    @property
    def position(self) -> int:
        """Place in its run."""

    @property
    def upstream_id(self) -> str | None:
        """Key of the object, where a Stripe event has reported it."""


@dataclass(frozen=True, slots=True)
class PassedRequest:
    """A request that is not stored (``SentRequest``)."""

    collection_id: str
    path_params: JsonObject
    body: str | None
    key: str | None = None
    position: int = 0
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """A request that Stripe executed.

    Attributes:
        request: The request.
        requested_at: When it was sent, by the warehouse's clock.
        answered_at: When the answer came.
        answer: The answer; None where Stripe says that the object is gone.
        as_stored: Whether the answer shows the object as it is stored: in the sync's version, and
            without expanded fields. Else the object is read again.
    """

    request: SentRequest
    requested_at: datetime
    answered_at: datetime
    answer: WriteAnswer | None
    as_stored: bool = True


async def send(session: Session, intent: Intent) -> Execution:
    """Send a stored request.

    Args:
        session: The open sync.
        intent: The request, stored as sent.

    Returns:
        What Stripe executed. For a DELETE that was tried before, "no such object" says that it was
        executed: Stripe knows no idempotency keys there.

    Raises:
        StripeError: Its ``may_have_run`` says whether Stripe may have executed it.
    """
    requested_at = session.clock.now()
    collection = session.catalog.parent(intent.collection_id)
    try:
        answer = await session.api.write(
            intent.method.lower(),
            intent.endpoint,
            intent.path_params,
            dict(parse_qsl(intent.body or "", keep_blank_values=True)),
            idempotency_key=intent.idempotency_key,
            api_version=collection.api_version,
            retry=WRITE_RETRY,
        )
    except NotFound as error:
        was_sent = error.may_have_run or intent.status == "sent"
        if intent.method == "DELETE" and was_sent:
            return Execution(intent, requested_at, session.clock.now(), None)
        raise
    if intent.status == "sent":
        # Whatever the headers say: the answer may be that of the earlier try.
        answer = replace(answer, is_replay=True)
    return Execution(intent, requested_at, session.clock.now(), answer)


def may_have_run(intent: Intent, error: StripeError) -> bool:
    """Whether Stripe may have executed a request that failed.

    A definite refusal is the outcome of the key, whatever earlier attempts were answered with. A
    DELETE has no key: there an earlier attempt may have been executed.
    """
    if isinstance(error, REFUSED) and intent.method == "POST":
        return False
    return error.may_have_run or intent.status == "sent"
