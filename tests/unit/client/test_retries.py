"""What is sent again, how often, and after how long."""

from __future__ import annotations

import asyncio

import pytest

from stripe_sync import errors
from stripe_sync.client import Credential, NoRateLimit, Priority, RetryPolicy, StripeApi, Timeouts
from stripe_sync.errors import ConfigurationError
from unit.client.scripted_stripe import RESET, SILENCE, VERSION, Answer, error, found, scripted

pytestmark = pytest.mark.anyio

OK = found({"id": "cus_1"})
CUT_SHORT = Answer(200, b'{"object": "list", "data": [', declared=1000)
RATE = {"Stripe-Rate-Limited-Reason": "global-rate"}


@pytest.mark.parametrize(
    "trouble",
    [
        RESET,
        CUT_SHORT,
        Answer(200, b'{"object":'),
        error(409, code="idempotency_key_in_use", message="Busy"),
        error(429, message="Locked"),
        error(429, RATE, message="Slow down"),
        error(400, code="rate_limit", message="Slow down"),
        error(500, message="Sorry"),
        Answer(503, b"<html>"),
    ],
    ids=["reset", "cut short", "half JSON", "409", "lock", "rate", "old rate", "500", "HTML"],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_after_a_passing_trouble_the_request_is_sent_again(
    trouble: Answer, method: str
) -> None:
    more = {"idempotency_key": "k1"} if method == "post" else {"priority": Priority.LIVE}
    async with scripted(trouble, trouble, OK) as bench:
        assert await getattr(bench.api, method)("/v1/x", params={"a": 1}, **more) == {"id": "cus_1"}
    sent = [(r.method, r.target, r.body) for r in bench.server.requests]
    assert sent == [sent[0]] * 3
    assert len(bench.rate_limiter.acquired) == 3
    assert (bench.api.stats.requests, bench.api.stats.retries) == (3, 2)


async def test_a_permit_taken_beforehand_stands_for_the_first_attempt_only() -> None:
    async with scripted(Answer(503), Answer(200)) as bench:
        permit = await bench.api.permit("/v1/customers", priority=Priority.BACKFILL)
        assert len(bench.rate_limiter.acquired) == 1
        await bench.api.get("/v1/customers", priority=Priority.BACKFILL, permit=permit)
        assert bench.rate_limiter.acquired == [("GET /v1/customers", Priority.BACKFILL)] * 2
        await bench.api.get("/v1/customers", priority=Priority.BACKFILL, permit=permit)
    assert len(bench.rate_limiter.acquired) == 3


async def test_the_idempotency_key_stays_the_same_over_all_attempts() -> None:
    async with scripted(error(500, message="Sorry"), RESET, OK) as bench:
        await bench.api.post("/v1/customers", idempotency_key="key-1")
    keys = [request.headers["Idempotency-Key"] for request in bench.server.requests]
    assert keys == ["key-1"] * 3


@pytest.mark.parametrize(("method", "requests"), [("get", 6), ("post", 1)])
async def test_only_reads_repeat_a_500_that_stripe_says_it_would_replay(
    method: str, requests: int
) -> None:
    more = {"idempotency_key": "k1"} if method == "post" else {"priority": Priority.LIVE}
    async with scripted(error(500, {"Stripe-Should-Retry": "false"}, message="Sorry")) as bench:
        with pytest.raises(errors.StripeUnavailable):
            await getattr(bench.api, method)("/v1/x", **more)
    assert len(bench.server.requests) == requests


async def test_a_rate_limit_slows_the_pacer_and_a_lock_does_not() -> None:
    endpoint = {"Stripe-Rate-Limited-Reason": "endpoint-concurrency"}
    async with scripted(
        error(429, RATE, message="Slow"),
        error(429, endpoint, message="Slow"),
        error(429, code="lock_timeout", message="Locked"),
        OK,
    ) as bench:
        await bench.api.get("/v1/x", priority=Priority.BACKFILL)
    assert bench.rate_limiter.slowed == [
        ("GET /v1/x", "global-rate"),
        ("GET /v1/x", "endpoint-concurrency"),
    ]
    assert bench.api.stats.rate_limited == 2


async def test_the_reason_of_a_rate_limit_is_kept() -> None:
    async with scripted(error(429, RATE, message="Slow")) as bench:
        with pytest.raises(errors.RateLimited) as caught:
            await bench.api.get("/v1/x", priority=Priority.LIVE)
    assert caught.value.reason == "global-rate"


async def test_waits_are_random_and_their_bound_doubles_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=40, first_wait=0.5, max_wait=4, total=1000)
    async with scripted(RESET, retry=policy) as bench:
        with pytest.raises(errors.StripeUnreachable):
            await bench.api.get("/v1/x", priority=Priority.LIVE)
    waits = bench.clock.waits
    assert len(waits) == 39
    for wait, bound in zip(waits, [0.5, 1, 2, *[4] * 36], strict=True):
        assert 0 <= wait <= bound
    assert len(set(waits)) == 39


async def test_retry_after_is_followed() -> None:
    async with scripted(
        error(429, {"Retry-After": "7"}, message="Locked"),
        Answer(503, b"<html>", {"Retry-After": "31"}),
        OK,
    ) as bench:
        await bench.api.get("/v1/x", priority=Priority.LIVE)
    assert bench.clock.waits == [7, 31]


async def test_a_retry_after_beyond_the_total_is_not_waited_for() -> None:
    async with scripted(error(503, {"Retry-After": "3600"}, message="Maintenance")) as bench:
        with pytest.raises(errors.StripeUnavailable):
            await bench.api.get("/v1/x", priority=Priority.LIVE)
    assert bench.clock.waits == []
    assert len(bench.server.requests) == 1


async def test_a_retry_after_in_the_form_of_a_date_counts_as_none() -> None:
    date = {"Retry-After": "Sun, 01 Nov 2026 00:00:00 GMT"}
    async with scripted(error(503, date, message="Sorry"), OK) as bench:
        await bench.api.get("/v1/x", priority=Priority.LIVE)
    (wait,) = bench.clock.waits
    assert 0 <= wait <= 0.5


async def test_silence_ends_at_the_timeout_and_names_the_host() -> None:
    policy = RetryPolicy(attempts=2, timeouts=Timeouts(total=0.05))
    async with scripted(SILENCE, retry=policy) as bench:
        with pytest.raises(errors.StripeUnreachable, match=r"127\.0\.0\.1:\d+.*timed out"):
            await bench.api.get("/v1/x", priority=Priority.LIVE)
    assert len(bench.server.requests) == 2


async def test_an_address_where_nobody_listens_is_named() -> None:
    async with scripted(OK) as bench:
        address = bench.address
    credential = Credential("sk_test_a", f"http://{address}")
    policy = RetryPolicy(attempts=1)
    async with StripeApi(
        credential, api_version=VERSION, rate_limiter=NoRateLimit(), retry=policy
    ) as api:
        with pytest.raises(errors.StripeUnreachable, match=address):
            await api.get("/v1/x", priority=Priority.LIVE)


async def test_many_requests_at_once_repeat_independently() -> None:
    answers = [error(500, message="Sorry"), OK] * 20
    async with scripted(*answers) as bench:
        bodies = await asyncio.gather(
            *(bench.api.get("/v1/x", priority=Priority.LIVE) for _ in range(20))
        )
    assert bodies == [{"id": "cus_1"}] * 20
    assert bench.api.stats.requests == len(bench.server.requests)
    assert bench.api.stats.retries == bench.api.stats.requests - 20


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait": -1}, {"total": -1}])
async def test_a_policy_that_cannot_be_followed_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="at least one attempt"):
        RetryPolicy(**wrong)
