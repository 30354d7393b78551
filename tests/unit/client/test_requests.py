from __future__ import annotations

import asyncio
import time
from urllib.parse import unquote

import pytest

from stripe_sync.client import Priority
from stripe_sync.clock import SystemClock
from stripe_sync.errors import ConfigurationError, InvalidRequest
from unit.client.scripted_stripe import KEY, VERSION, RecordingPacer, error, found, scripted

pytestmark = pytest.mark.anyio

PAGE = {"object": "list", "data": [{"id": "cus_1", "n": 2**53 + 1}], "has_more": False}


async def test_a_body_comes_back_parsed_and_exact() -> None:
    async with scripted(found(PAGE)) as bench:
        body = await bench.api.get("/v1/customers", priority=Priority.LIVE)
    assert body == PAGE
    assert type(body) is dict


async def test_each_request_names_key_version_and_caller_but_sends_no_telemetry() -> None:
    async with scripted(found({}, **{"Request-Id": "req_1"})) as bench:
        for _ in range(2):
            await bench.api.get("/v1/events", priority=Priority.LIVE)
    for request in bench.server.requests:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["Stripe-Version"] == VERSION
        assert "airflow-stripe-sync/" in request.headers["User-Agent"]
        assert "X-Stripe-Client-Telemetry" not in request.headers
        assert "Stripe-Account" not in request.headers
        assert "Idempotency-Key" not in request.headers


async def test_requests_share_a_connection() -> None:
    async with scripted(found({})) as bench:
        for _ in range(5):
            await bench.api.get("/v1/events", priority=Priority.LIVE)
    assert len(bench.server.requests) == 5
    assert bench.server.connections == 1


async def test_a_connected_account_is_named() -> None:
    async with scripted(found({}), account="acct_7") as bench:
        await bench.api.get("/v1/events", priority=Priority.LIVE)
    assert bench.server.requests[0].headers["Stripe-Account"] == "acct_7"


async def test_a_request_may_ask_in_another_version() -> None:
    async with scripted(found({})) as bench:
        await bench.api.get("/v1/plans", priority=Priority.LIVE, api_version="2022-08-01")
        await bench.api.get("/v1/plans", priority=Priority.LIVE)
    versions = [request.headers["Stripe-Version"] for request in bench.server.requests]
    assert versions == ["2022-08-01", VERSION]


async def test_query_parameters_nest_as_stripe_wants_them() -> None:
    params = {"created": {"gte": 1, "lt": 2}, "types": ["a.b", "c d&e"], "expand": ["data.x"]}
    async with scripted(found({})) as bench:
        await bench.api.get("/v1/events", params=params, priority=Priority.LIVE)
    path, query = bench.server.requests[0].target.split("?")
    assert path == "/v1/events"
    assert query.split("&") == [
        "created[gte]=1",
        "created[lt]=2",
        "types[0]=a.b",
        "types[1]=c+d%26e",
        "expand[0]=data.x",
    ]


@pytest.mark.parametrize("coupon", ["a/b", "a?b=c#d", "50% off", "é", "..x", "a%2Fb", "a+b"])
async def test_ids_reach_stripe_whole_whatever_characters_they_have(coupon: str) -> None:
    async with scripted(found({})) as bench:
        await bench.api.get("/v1/coupons/{coupon}", {"coupon": coupon}, priority=Priority.LIVE)
    segments = bench.server.requests[0].target.split("/")
    assert segments[:3] == ["", "v1", "coupons"]
    assert [unquote(segment) for segment in segments[3:]] == [coupon]


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({}, ConfigurationError),
        ({"coupon": ""}, ConfigurationError),
        ({"coupon": "."}, InvalidRequest),
        ({"coupon": ".."}, InvalidRequest),
    ],
)
async def test_an_id_that_would_lead_to_another_endpoint_is_refused(
    values: dict[str, str], refused: type[Exception]
) -> None:
    """One that a user chose concerns its object only."""
    async with scripted(found({})) as bench:
        with pytest.raises(refused, match=r"\{coupon\}"):
            await bench.api.get("/v1/coupons/{coupon}", values, priority=Priority.LIVE)
    assert bench.server.requests == []


@pytest.mark.parametrize("name", ["api_key", "headers", "stripe_account", "base"])
async def test_parameters_cannot_change_how_the_request_is_sent(name: str) -> None:
    async with scripted(found({})) as bench:
        with pytest.raises(ConfigurationError, match=name):
            await bench.api.post("/v1/customers", params={name: "x"}, idempotency_key="k")
    assert bench.server.requests == []


async def test_a_write_sends_a_form_and_its_idempotency_key() -> None:
    async with scripted(found({"id": "cus_1"})) as bench:
        params = {"name": "Åsa", "metadata": {"a.b": "1"}, "livemode": True}
        await bench.api.post("/v1/customers", params=params, idempotency_key="key 1")
    (request,) = bench.server.requests
    assert (request.method, request.target) == ("POST", "/v1/customers")
    assert request.headers["Idempotency-Key"] == "key 1"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.body == "name=%C3%85sa&metadata[a.b]=1&livemode=true"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\r\nStripe-Account: acct_2", "é"])
async def test_an_idempotency_key_that_stripe_would_not_take_is_refused(key: str) -> None:
    async with scripted(found({})) as bench:
        with pytest.raises(ConfigurationError, match="idempotency key"):
            await bench.api.post("/v1/customers", idempotency_key=key)
    assert bench.server.requests == []


async def test_the_rate_limiter_is_asked_by_template_and_priority() -> None:
    async with scripted(found({})) as bench:
        path = "/v1/customers/{customer}"
        await bench.api.get(path, {"customer": "cus_1"}, priority=Priority.BACKFILL)
        await bench.api.get(path, {"customer": "cus_2"}, priority=Priority.LIVE)
        await bench.api.post(path, {"customer": "cus_2"}, idempotency_key="k")
    assert bench.rate_limiter.acquired == [
        ("GET /v1/customers/{customer}", Priority.BACKFILL),
        ("GET /v1/customers/{customer}", Priority.LIVE),
        ("POST /v1/customers/{customer}", Priority.LIVE),
    ]
    assert bench.rate_limiter.closed


async def test_a_redirect_is_not_followed_so_the_key_stays_with_its_host() -> None:
    async with scripted(error(302, {"Location": "/elsewhere"}, message="moved")) as bench:
        with pytest.raises(InvalidRequest):
            await bench.api.get("/v1/customers", priority=Priority.LIVE)
    assert [request.target for request in bench.server.requests] == ["/v1/customers"]


async def test_nothing_is_sent_outside_the_block() -> None:
    async with scripted(found({})) as bench:
        pass
    with pytest.raises(ConfigurationError, match="async with"):
        await bench.api.get("/v1/customers", priority=Priority.LIVE)


async def test_a_request_that_would_be_sent_late_waits_for_another_slot() -> None:
    """What counts is when a request is sent: late ones would bunch up."""

    class StallingPacer(RecordingPacer):
        """Lets the event loop stall after the first permit, while the connection is opened."""

        async def acquire(self, endpoint: str, priority: Priority) -> None:
            if not self.acquired:
                asyncio.get_running_loop().call_soon(time.sleep, 0.05)
            await super().acquire(endpoint, priority)

    async with scripted(found({}), rate_limiter=StallingPacer(), clock=SystemClock()) as bench:
        await bench.api.get("/v1/events", priority=Priority.BACKFILL)
    assert bench.rate_limiter.acquired[:2] == [
        ("GET /v1/events", Priority.BACKFILL),
        ("GET /v1/events", Priority.RENEWAL),
    ]
    assert len(bench.server.requests) == 1


async def test_a_request_that_is_sent_at_once_takes_one_slot() -> None:
    async with scripted(found({})) as bench:
        for _ in range(3):
            await bench.api.get("/v1/events", priority=Priority.BACKFILL)
    assert bench.rate_limiter.acquired == [("GET /v1/events", Priority.BACKFILL)] * 3
