"""Which answers a key keeps, for how long, and what a repetition of the request gets."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from stripe_sandbox.server import running
from stripe_sandbox.state import state_file

DAY = 86_400
KEY = {"idempotency_key": "k"}


def repeated(api: Any, path: str, data: Any = None) -> tuple[httpx.Response, httpx.Response]:
    first = api.call("POST", path, data=data, **KEY)
    return first, api.call("POST", path, data=data, **KEY)


def assert_replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert first.headers["original-request"] == first.headers["request-id"]
    assert again.headers["original-request"] == first.headers["request-id"]
    assert again.headers["request-id"] != first.headers["request-id"]


def test_the_first_answer_is_replayed(api: Any) -> None:
    first = api.call("POST", "/v1/customers", data={"name": "a", "email": "b"}, **KEY)
    made = first.json()["id"]
    api.post(f"/v1/customers/{made}", {"name": "b"})
    again = api.call("POST", "/v1/customers", data={"email": "b", "name": "a"}, **KEY)
    assert_replayed(first, again)
    assert api.ids("/v1/customers") == [made]
    updated, created = api.get("/v1/events")["data"]
    assert created["request"] == {"id": first.headers["request-id"], "idempotency_key": "k"}
    assert updated["request"]["idempotency_key"] is None


def test_only_keyed_answers_name_the_original_request(api: Any) -> None:
    assert "original-request" not in api.call("POST", "/v1/customers").headers
    assert "original-request" not in api.call("GET", "/v1/customers", **KEY).headers


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "server_error", "status": 500},
        {"kind": "server_error", "status": 503, "applied": True},
        {"kind": "refuse", "status": 402, "code": "card_declined"},
        {"kind": "refuse", "status": 404, "code": "resource_missing"},
    ],
)
def test_failures_after_the_execution_began_are_kept(api: Any, fault: dict[str, Any]) -> None:
    api.control.fault(**fault, next=1)
    first, again = repeated(api, "/v1/customers")
    assert_replayed(first, again)
    assert first.status_code == fault["status"]
    assert first.headers.get("stripe-should-retry") == again.headers.get("stripe-should-retry")
    assert len(api.ids("/v1/customers")) == bool(fault.get("applied"))


def test_refusals_by_the_state_of_an_object_are_kept(api: Any) -> None:
    api.control.put({"id": "in_1", "object": "invoice", "created": 1, "status": "void"})
    first, again = repeated(api, "/v1/invoices/in_1/pay")
    assert first.status_code == 400
    assert_replayed(first, again)
    api.control.mutate("invoice", "in_1", {"status": "draft"})
    assert_replayed(first, api.call("POST", "/v1/invoices/in_1/pay", **KEY))


@pytest.mark.parametrize(
    ("path", "wrong", "right"),
    [
        ("customers", {"balance": "x"}, {"balance": "1"}),
        ("customers", {"colour": "red"}, {"name": "x"}),
        ("customers", {"expand[]": "moon"}, {}),
        ("payment_intents", {"amount": "5"}, {"amount": "5", "currency": "usd"}),
    ],
)
def test_wrong_parameters_are_not_kept(api: Any, path: str, wrong: Any, right: Any) -> None:
    api.refused(400, "POST", f"/v1/{path}", data=wrong, **KEY)
    assert api.post(f"/v1/{path}", right, **KEY)["object"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "lock"}, 429),
        ({"kind": "rate_limit"}, 429),
        ({"kind": "refuse", "status": 401}, 401),
        ({"kind": "refuse", "status": 403}, 403),
        ({"kind": "refuse", "status": 409}, 409),
        ({"kind": "refuse", "status": 400, "code": "parameter_invalid_empty"}, 400),
    ],
)
def test_what_was_never_executed_is_not_kept(api: Any, fault: Any, status: int) -> None:
    api.control.fault(**fault, next=1)
    first, again = repeated(api, "/v1/customers")
    assert (first.status_code, again.status_code) == (status, 200)
    assert "idempotent-replayed" not in again.headers
    assert first.headers["original-request"] == first.headers["request-id"]


def test_a_lost_answer_is_replayed(api: Any) -> None:
    for applied, made in ((False, 0), (True, 1)):
        api.control.fault("reset", next=1, applied=applied)
        with pytest.raises(httpx.TransportError):
            api.call("POST", "/v1/customers", **KEY)
        assert len(api.ids("/v1/customers")) == made
    again = api.call("POST", "/v1/customers", **KEY)
    assert again.headers["idempotent-replayed"] == "true"
    assert api.ids("/v1/customers") == [again.json()["id"]]


def test_a_key_ends_after_a_day(api: Any) -> None:
    first = api.call("POST", "/v1/customers", **KEY)
    api.control.clock(advance=DAY - 1)
    assert_replayed(first, api.call("POST", "/v1/customers", **KEY))
    api.control.clock(advance=1)
    later = api.call("POST", "/v1/customers", data={"name": "other"}, **KEY)
    assert later.status_code == 200
    assert later.headers["original-request"] == later.headers["request-id"]
    assert len(api.ids("/v1/customers")) == 2


def test_a_key_belongs_to_one_path_and_its_parameters(api: Any) -> None:
    first = api.call("POST", "/v1/customers", data={"name": "a"}, **KEY)
    for path, data in (("customers", {"name": "b"}), ("customers", {}), ("coupons", {"name": "a"})):
        answer = api.call("POST", f"/v1/{path}", data=data, **KEY)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "idempotency_error")
        assert "code" not in error
        assert answer.headers["original-request"] == first.headers["request-id"]
    api.refused(400, "POST", "/v1/customers", idempotency_key="k" * 256)


def test_keys_are_those_of_an_account_and_mode(api: Any) -> None:
    made = {
        api.post("/v1/customers", **KEY)["id"],
        api.post("/v1/customers", key="sk_live_sandbox", **KEY)["id"],
    }
    api.control.add_account("acct_other")
    made.add(api.post("/v1/customers", stripe_account="acct_other", **KEY)["id"])
    assert len(made) == 3


def test_a_replay_has_the_version_of_the_first_request(api: Any) -> None:
    old = api.call("POST", "/v1/customers", stripe_version="2020-08-27", **KEY)
    assert_replayed(old, api.call("POST", "/v1/customers", **KEY))


def test_deletions_know_no_keys(api: Any) -> None:
    made = api.post("/v1/customers")["id"]
    first = api.call("DELETE", f"/v1/customers/{made}", **KEY)
    assert "original-request" not in first.headers
    assert api.call("DELETE", f"/v1/customers/{made}", **KEY).status_code == 404
    event = api.get("/v1/events", {"type": "customer.deleted"})["data"][0]
    assert event["request"] == {"id": first.headers["request-id"], "idempotency_key": None}


def test_a_key_in_use_is_a_conflict(api: Any) -> None:
    api.control.settings(latency=0.5)
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(api.call("POST", "/v1/customers", **KEY))

    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [200, 409]
    conflict = next(a for a in answers if a.status_code == 409)
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
    api.control.settings(latency=0)
    assert api.call("POST", "/v1/customers", **KEY).headers["idempotent-replayed"] == "true"


def test_keys_outlive_a_restart(tmp_path: Path) -> None:
    url = "/v1/customers"
    with running() as first, httpx.Client(base_url=first.base_url) as client:
        head = {"authorization": f"Bearer {first.api_key}", "idempotency-key": "k"}
        made = client.post(url, headers=head)
        state_file.save(first.app.holder.state, tmp_path / "state")
    state = state_file.load(tmp_path / "state")
    with running(state=state) as second, httpx.Client(base_url=second.base_url) as client:
        assert_replayed(made, client.post(url, headers=head))
