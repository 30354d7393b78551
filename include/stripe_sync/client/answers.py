"""Answers of Stripe, as callers get them, and whether a body is what the endpoint returns.

A proxy, a load balancer or another server may answer with JSON that is something else. Such an
answer did not come: it is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


def problem_of(body: Any, *, is_page: bool = False, is_object: bool = False) -> str | None:
    """What is wrong with the body of a successful answer; None where nothing is.

    Args:
        body: The parsed body.
        is_page: Whether it should be a page of a list.
        is_object: Whether it should be one of Stripe's objects.
    """
    if not isinstance(body, dict):
        return "JSON, but not an object"
    if isinstance(body.get("error"), dict) and "object" not in body:
        return f"an error object with status 200: {body['error'].get('message')}"
    if is_object:
        return problem_of_object(body)
    return _problem_of_page(body) if is_page else None


def problem_of_object(body: Mapping[str, Any]) -> str | None:
    """What is wrong with a body that should be one of Stripe's objects; None where nothing is.

    Deleted objects of old versions do not say what they were.
    """
    if isinstance(body.get("object"), str) or body.get("deleted") is True:
        return None
    return "JSON, but none of Stripe's objects: it has no field 'object'"


def _problem_of_page(body: dict[str, Any]) -> str | None:
    objects, has_more = body.get("data"), body.get("has_more")
    if not isinstance(objects, list):
        return "no page of a list: data is no array"
    if not isinstance(has_more, bool):
        return "no page of a list: has_more is neither true nor false"
    if has_more and not objects:
        return "a page without objects that is not the last one"
    return None
