"""Requests of somebody else: sent as they are, and answered with what Stripe answers."""

from __future__ import annotations

import pytest

from stripe_sync.client.retry import RetryPolicy
from stripe_sync.errors import AuthenticationError, StripeUnreachable
from unit.client.scripted_stripe import KEY, RESET, error, found, scripted

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)


async def test_query_and_body_reach_stripe_as_they_are() -> None:
    async with scripted(found({"object": "customer"})) as bench:
        await bench.api.pass_through(
            "post",
            "/v1/customers/{id}",
            {"id": "cus/1"},
            query="a[]=1&a[]=2",
            body="expand[]=x&expand[]=y&api_key=sk_1&name=",
            idempotency_key="mine",
        )
        await bench.api.pass_through("get", "/v1/customers", {}, query="limit=3&b[]=1&b[]=2")
        await bench.api.post("/v1/customers", params={"name": "a"}, idempotency_key="other")
    post, get, later = bench.server.requests
    assert post.target == "/v1/customers/cus%2F1?a[]=1&a[]=2"
    assert post.body == "expand[]=x&expand[]=y&api_key=sk_1&name="
    assert post.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert post.headers["Idempotency-Key"] == "mine"
    assert post.headers["Authorization"] == f"Bearer {KEY}"
    assert (get.method, get.target, get.body) == ("GET", "/v1/customers?limit=3&b[]=1&b[]=2", "")
    assert later.body == "name=a"


async def test_a_success_has_the_body_as_it_came_and_its_headers() -> None:
    answer = found({"object": "customer", "n": 1}, **{"Request-Id": "req_1"})
    answer.body = b'{"object":  "customer", "n": 1.0}'
    async with scripted(answer) as bench:
        raw = await bench.api.pass_through("get", "/v1/customers", {})
    assert (raw.status, raw.content) == (200, answer.body)
    assert raw.headers["request-id"] == "req_1"
    assert raw.write is not None
    assert (raw.write.request_id, raw.write.is_replay) == ("req_1", False)


@pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 429, 500])
async def test_an_error_is_an_answer_too_without_keys(status: int) -> None:
    refusal = error(status, {"Request-Id": "req_2"}, code="a_code", message="bad sk_live_abc123")
    async with scripted(refusal) as bench:
        raw = await bench.api.pass_through("post", "/v1/customers", {}, body="", retry=ONCE)
    assert (raw.status, raw.headers["Request-Id"], raw.write) == (status, "req_2", None)
    assert raw.content == b'{"error":{"code":"a_code","message":"bad sk_\xe2\x80\xa6"}}'


async def test_a_refused_key_is_no_answer_for_the_caller() -> None:
    async with scripted(error(401, message="Invalid API Key provided: hunter2")) as bench:
        with pytest.raises(AuthenticationError) as caught:
            await bench.api.pass_through("get", "/v1/customers", {})
    assert "hunter2" not in str(caught.value)


async def test_no_answer_says_whether_it_may_have_run() -> None:
    async with scripted(RESET) as bench:
        with pytest.raises(StripeUnreachable) as caught:
            await bench.api.pass_through("post", "/v1/customers", {}, body="", retry=ONCE)
    assert caught.value.may_have_run is True
