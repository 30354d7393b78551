"""What an answer to a write says of what Stripe did with it."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_sync import errors
from stripe_sync.client import RetryPolicy
from unit.client.scripted_stripe import Answer, error, found, scripted

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)
STRIPES = {"Request-Id": "req_1"}


async def write(answer: Answer, method: str) -> Any:
    path = {"id": "cus_1"}
    async with scripted(answer) as bench:
        return await bench.api.write(
            method, "/v1/customers/{id}", path, {}, idempotency_key="k", retry=ONCE
        )


@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(301, b""),
        Answer(307, b"", {"Location": "/v1/charges"}),
        Answer(400, b"<html>"),
        Answer(403, b"<html>blocked"),
        Answer(404, b"<html>"),
        Answer(404, b'{"message": "no route"}'),
        Answer(405, b""),
        Answer(413, b"too large"),
        Answer(418, b"[1]"),
        Answer(200, b"{}"),
        Answer(200, b'{"status": "log in first"}'),
        Answer(202, b"null"),
    ],
)
async def test_what_is_no_answer_of_stripes_leaves_the_outcome_open(
    answer: Answer, method: str
) -> None:
    with pytest.raises(errors.UnusableAnswer) as caught:
        await write(answer, method)
    assert caught.value.may_have_run


@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, STRIPES, type="invalid_request_error"), errors.InvalidRequest),
        (error(402, STRIPES, type="card_error"), errors.InvalidRequest),
        (error(400, STRIPES, type="api_error"), errors.InvalidRequest),
        (error(403, type="invalid_request_error"), errors.PermissionDenied),
        (error(404, type="invalid_request_error"), errors.NotFound),
    ],
)
async def test_a_refusal_of_stripes_is_definite(
    answer: Answer, kind: type[errors.StripeError], method: str
) -> None:
    with pytest.raises(kind) as caught:
        await write(answer, method)
    assert not caught.value.may_have_run


@pytest.mark.parametrize(
    "body", [{"object": "customer", "id": "cus_1"}, {"id": "cus_1", "deleted": True}]
)
async def test_an_object_or_a_deletion_is_an_answer(body: dict[str, Any]) -> None:
    assert (await write(found(body), "post")).body == body
