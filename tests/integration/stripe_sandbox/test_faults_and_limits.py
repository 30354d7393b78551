from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

NOW = 1_790_000_000


def burst(api: Any, path: str, count: int) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: api.call("GET", path), range(count)))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"global_rate": 4}, "global-rate"), ({"endpoint_rate": 4}, "endpoint-rate")],
)
def test_rates_are_limited_in_a_sliding_second(api: Any, limits: Any, reason: str) -> None:
    api.control.settings(test_limits=limits)
    answers = [api.call("GET", "/v1/customers") for _ in range(6)]
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) == 2
    for answer in refused:
        assert answer.headers["stripe-rate-limited-reason"] == reason
        assert answer.json()["error"]["code"] == "rate_limit"
    other = api.call("GET", "/v1/charges").status_code
    assert other == (429 if reason == "global-rate" else 200)
    api.get("/v1/customers", key="sk_live_sandbox")
    stats = api.control.stats()
    assert stats["rate_limited"][reason] == 2 + (other == 429)
    assert stats["peak_per_second_by_endpoint"]["GET /v1/customers"] == 6
    deadline = time.monotonic() + 5
    while api.call("GET", "/v1/customers").status_code == 429:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"global_concurrency": 2}, "global-concurrency"),
        ({"endpoint_concurrency": 2}, "endpoint-concurrency"),
    ],
)
def test_concurrency_is_limited(api: Any, limits: Any, reason: str) -> None:
    api.control.settings(test_limits=limits, latency=0.3)
    refused = [a for a in burst(api, "/v1/customers", 6) if a.status_code == 429]
    assert len(refused) == 4
    assert {a.headers["stripe-rate-limited-reason"] for a in refused} == {reason}


def test_slow_requests_do_not_wait_for_each_other(api: Any) -> None:
    api.control.settings(latency=0.3)
    assert all(a.status_code == 200 for a in burst(api, "/v1/customers", 12))
    assert api.control.stats()["peak_in_flight"] == 12


def test_counters_count_and_can_be_reset(api: Any) -> None:
    api.get("/v1/customers")
    api.post("/v1/customers")
    api.refused(404, "GET", "/v1/customers/nobody")
    stats = api.control.stats()
    assert stats["by_endpoint"] == {
        "GET /v1/customers": 1, "POST /v1/customers": 1, "GET /v1/customers/{customer}": 1,
    }  # fmt: skip
    assert (stats["requests"], stats["peak_per_second"]) == (3, 3)
    api.control.reset_stats()
    assert api.control.stats()["requests"] == 0


def test_server_errors_forbid_retries(api: Any) -> None:
    api.control.fault("server_error", endpoint="GET /v1/cust*", status=503, next=1)
    api.get("/v1/charges")
    answer = api.call("GET", "/v1/customers")
    assert (answer.status_code, answer.headers["stripe-should-retry"]) == (503, "false")
    assert answer.json()["error"]["type"] == "api_error"
    api.get("/v1/customers")


def test_a_route_that_is_gone_is_unrecognized(api: Any) -> None:
    api.control.fault("gone", endpoint="GET /v1/customers")
    assert "Unrecognized" in api.refused(404, "GET", "/v1/customers")["message"]
    api.control.no_faults()
    api.get("/v1/customers")


@pytest.mark.parametrize("applied", [False, True])
def test_a_failed_write_may_have_happened(api: Any, applied: bool) -> None:
    api.control.fault("server_error", endpoint="POST *", next=1, applied=applied)
    assert api.call("POST", "/v1/customers").status_code == 500
    assert len(api.ids("/v1/customers")) == (1 if applied else 0)


def test_connections_break(api: Any) -> None:
    api.control.fault("reset", next=1)
    with pytest.raises(httpx.TransportError):
        api.call("GET", "/v1/customers")
    api.control.seed({"customer": 20})
    api.control.fault("truncate", next=1)
    with pytest.raises(httpx.RemoteProtocolError):
        api.call("GET", "/v1/customers")
    assert len(api.ids("/v1/customers", {"limit": 100})) == 20


def test_locks_and_limits_on_demand(api: Any) -> None:
    api.control.fault("lock", next=1)
    answer = api.call("GET", "/v1/customers")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "lock_timeout")
    assert "stripe-rate-limited-reason" not in answer.headers
    api.control.fault("rate_limit", next=1, reason="endpoint-rate")
    answer = api.call("GET", "/v1/customers")
    assert answer.headers["stripe-rate-limited-reason"] == "endpoint-rate"
    api.get("/v1/customers")


def test_chances_depend_on_the_seed_only(api: Any) -> None:
    def run() -> list[int]:
        api.control.reset()
        api.control.fault("server_error", probability=0.5)
        return [api.call("GET", "/v1/customers").status_code for _ in range(20)]

    first = run()
    assert set(first) == {200, 500}
    assert run() == first


def test_settings_that_do_not_fit_are_refused(api: Any) -> None:
    from stripe_sandbox.control import ControlError

    for changes in ({"latency": -1}, {"colour": "red"}, {"faults": [{"kind": "fire"}]}):
        with pytest.raises(ControlError):
            api.control.settings(**changes)


def test_an_answer_may_come_after_its_event(api: Any) -> None:
    api.control.fault("slow", endpoint="POST *", seconds=2)
    head = {"authorization": f"Bearer {api.server.api_key}"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{api.server.base_url}/v1/customers", headers=head, timeout=0.5)
    while api.event_types() != ["customer.created"]:
        pass
