"""Answers of Stripe, as callers get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stripe_sync.records.canonical_json import JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        body: The parsed body.
        headers: Its headers.
        content: The body as it came.
        status: HTTP status.
    """

    body: JsonObject
    headers: Mapping[str, str]
    content: bytes
    status: int


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """The answer to a request that changes something.

    Attributes:
        body: The parsed body.
        request_id: Stripe's id of the request that was executed; None where the answer lacks it.
        is_replay: Whether this may be the stored answer of an earlier attempt, so that the object
            may have changed since.
    """

    body: JsonObject
    request_id: str | None
    is_replay: bool


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as Stripe sent it, an error too.

    Attributes:
        status: HTTP status.
        headers: Its headers.
        content: The body: JSON, in errors without API keys.
        write: What it says as the answer to a write; None for an error.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    write: WriteAnswer | None


def as_write(answer: Answer, *, is_first: bool) -> WriteAnswer:
    """What an answer says of a write.

    Args:
        answer: The answer.
        is_first: Whether it is that of the first attempt.
    """
    headers = answer.headers
    return WriteAnswer(
        answer.body,
        headers.get("Original-Request") or headers.get("Request-Id"),
        not is_first or headers.get("Idempotent-Replayed") == "true",
    )
