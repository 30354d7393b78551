"""Mutations and the proxy over HTTP, in Airflow's own API server app."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import stripe

from dags.api_server import ApiServer, fresh_mutations, serving
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import create_consumer, create_sync, get_sync, pause_sync
from stripe_sync.records.canonical_json import dumps, loads

CREATE = "/v1/mutations/run/create"
SECRET = "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc"
RECORD_KEYS = {
    *("collection_id", "deleted", "id", "inserted_at", "payload", "payload_hash", "resource_id"),
    *("updated_at", "upsert_opts", "upstream_id", "upstream_updated_at"),
    *("sync_id", "updated_idx", "seq"),
}


@pytest.fixture
def api(server: ApiServer, connections: None) -> Iterator[ApiServer]:
    """The API with a sync ``default`` that never ran."""
    create_sync(warehouse_url(), "default", livemode=False)
    with fresh_mutations():
        yield server


def run(api: ApiServer, records: list[Any], kind: str = "create", **more: Any) -> Any:
    headers = more.pop("headers", {})
    body = {"sync_id": "default", "collection_id": "stripe:customer", "data": records, **more}
    path = f"/v1/mutations/run/{kind}"
    return api.call("user", "POST", path, json=body, headers=headers)


def sql(query: str, *values: Any) -> list[Any]:
    with psycopg.connect(warehouse_url()) as connection:
        return [row[0] for row in connection.execute(query, values)]


def events(upstream_id: str) -> list[Any]:
    return sql(
        "SELECT event_type || ' ' || source FROM stripe_raw.events WHERE upstream_id = %s"
        " ORDER BY seq",
        upstream_id,
    )


def test_the_curl_of_the_description_works_as_printed(api: ApiServer) -> None:
    body = b"""{
        "sync_id": "default",
        "collection_id": "stripe.customer",
        "data": [
          {
            "name": "Paul Atreides"
          }
        ]
      }"""
    answer = api.call(
        "user", "POST", CREATE, content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 200, answer.text
    [record] = answer.json()["records"]
    assert answer.json().keys() == {"records"}
    assert record.keys() == RECORD_KEYS
    assert (record["collection_id"], record["payload"]["name"]) == (
        "stripe:customer",
        "Paul Atreides",
    )
    assert record["updated_at"].endswith("Z")
    assert len(record["updated_at"]) == len("2024-02-06T04:29:12.523925Z")
    assert events(record["upstream_id"]) == ["created mutation"]


def test_update_delete_and_actions(api: ApiServer, sandbox: Any) -> None:
    [made] = run(api, [{"name": "Paul"}]).json()["records"]
    name = made["upstream_id"]
    [changed] = run(api, [{"id": name, "name": "Leto"}], "update").json()["records"]
    assert (changed["payload"]["name"], changed["updated_idx"]) == ("Leto", 2)
    sync_id = str(get_sync(warehouse_url(), "default").id).upper()
    body = {"sync_id": sync_id, "collection_id": "stripe:customer", "kind": "delete"}
    answer = api.call("user", "POST", "/v1/mutations/run", json=body | {"records": [{"id": name}]})
    [gone] = answer.json()["records"]
    assert (gone["deleted"], gone["payload"]["name"]) == (True, "Leto")
    assert events(name) == ["created mutation", "updated mutation", "deleted mutation"]

    charge = {"amount": 100, "currency": "usd"}
    [intent] = run(api, [charge], collection_id="stripe:payment_intent").json()["records"]
    body = {"sync_id": "default", "collection_id": "stripe:payment_intent", "kind": "cancel"}
    [canceled] = api.call(
        "user", "POST", "/v1/mutations/run", json=body | {"data": [{"id": intent["upstream_id"]}]}
    ).json()["records"]
    assert canceled["payload"]["status"] == "canceled"


def test_a_key_repeats_nothing_and_belongs_to_its_parameters(api: ApiServer, sandbox: Any) -> None:
    key = {"Idempotency-Key": "order 1"}
    first, again = (run(api, [{"name": "a"}], headers=key) for _ in range(2))
    assert first.json() == again.json()
    other = run(api, [{"name": "b"}], headers=key)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert "data[0]" in other.json()["error"]["message"]
    assert len(sandbox.control.objects("customer")) == 1
    create_sync(warehouse_url(), "second", livemode=False, connection_id="stripe_default")
    assert run(api, [{"name": "b"}], headers=key, sync_id="second").status_code == 200


@pytest.mark.parametrize("kind", ["create", "delete"])
def test_two_at_once_with_one_key_are_one(api: ApiServer, sandbox: Any, kind: str) -> None:
    record = {"name": "a"}
    if kind == "delete":
        record = {"id": run(api, [record]).json()["records"][0]["upstream_id"]}
    sandbox.control.settings(latency=0.3)
    with ThreadPoolExecutor(2) as pool:
        headers = {"Idempotency-Key": "one"}
        first, second = pool.map(lambda _: run(api, [record], kind, headers=headers), range(2))
    assert (first.status_code, second.status_code) == (200, 200), (first.text, second.text)
    [one], [other] = first.json()["records"], second.json()["records"]
    assert (one["upstream_id"], one["seq"]) == (other["upstream_id"], other["seq"])
    assert len(sandbox.control.objects("customer")) == (1 if kind == "create" else 0)
    changes = ["created mutation"] + (["deleted mutation"] if kind == "delete" else [])
    assert events(one["upstream_id"]) == changes


def test_a_refusal_is_passed_on_with_the_place_of_the_parameter(
    api: ApiServer, sandbox: Any
) -> None:
    run(api, [{"name": "a"}])
    answer = run(api, [{"id": "cus_none", "name": "b"}], "update")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (422, "invalid_request_error")
    assert (error["code"], error["param"]) == ("resource_missing", "data[0].id")
    assert error["request_id"].startswith("req_")
    assert error["message"] == "No such customer: 'cus_none'"


def test_of_several_records_each_has_a_result(api: ApiServer) -> None:
    [made] = run(api, [{"name": "z"}]).json()["records"]
    changes = [{"id": made["upstream_id"], "name": "y"}, {"id": "cus_none"}, {"id": "cus_nil"}]
    stopped = run(api, changes, "update")
    assert stopped.status_code == 207
    results = stopped.json()["results"]
    assert [each["status"] for each in results] == ["done", "refused", "not_sent"]
    assert results[1]["error"]["param"] == "data[1].id"
    assert [each["upstream_id"] for each in stopped.json()["records"]] == [made["upstream_id"]]
    assert "1 of 3 done" in stopped.json()["message"]
    went_on = run(api, changes, "update", on_error="continue")
    assert [each["status"] for each in went_on.json()["results"]] == ["done", "refused", "refused"]


@pytest.mark.parametrize(
    ("fault", "status", "code", "says"),
    [
        ({"kind": "rate_limit"}, 429, "rate_limit", "has not executed it"),
        ({"kind": "lock"}, 429, "lock_timeout", "has not executed it"),
        ({"kind": "server_error", "status": 503}, 502, "stripe_unavailable", "may have executed"),
        ({"kind": "reset"}, 504, "stripe_unreachable", "may have executed it"),
    ],
)
def test_what_a_retry_does_is_in_the_error(  # noqa: PLR0917 - a row of the table
    api: ApiServer, sandbox: Any, fault: Any, status: int, code: str, says: str
) -> None:
    run(api, [{"name": "a"}])
    sandbox.control.fault(endpoint="POST *", **fault)
    for key in ({}, {"Idempotency-Key": "k"}):
        answer = run(api, [{"name": "b"}], headers=key)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), answer.text
        assert says in error["message"]
        assert ("Retry-After" in answer.headers) == (status == 429)
    sandbox.control.no_faults()
    done = run(api, [{"name": "b"}], headers=key).status_code
    assert done == (502 if status == 502 else 200)  # Stripe keeps the 5xx of a key
    assert len(sandbox.control.objects("customer")) == (1 if status == 502 else 2)


def test_a_key_that_stripe_refuses(api: ApiServer, sandbox: Any) -> None:
    run(api, [{"name": "a"}])
    sandbox.control.remove_key(sandbox.api_key)
    answer = run(api, [{"name": "b"}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "stripe_key_refused")
    assert sandbox.api_key not in answer.text


def test_a_late_consumer_is_named_and_the_write_stands(api: ApiServer) -> None:
    awaited = run(api, [{"name": "a"}], await_consumers=["lake", "warehouse"])
    assert awaited.json().keys() == {"records"}, awaited.text
    create_consumer(warehouse_url(), "mine", "pull")
    late = run(api, [{"name": "b"}], await_consumers=["mine"], await_timeout=0)
    assert (late.status_code, late.json()["late"]) == (200, ["mine"])
    assert "the write stands" in late.json()["message"]
    assert len(late.json()["records"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"data": []}, 400, "parameter_invalid", "data"),
        ({"data": "x"}, 400, "parameter_invalid", "data"),
        ({"data": {"name": SECRET}}, 400, "parameter_invalid", "data"),
        ({"data": [{}] * 101}, 400, "parameter_invalid", "data"),
        ({"data": [{}, SECRET]}, 400, "parameter_invalid", "data[1]"),
        ({"data": [{"nme": SECRET}]}, 400, "parameter_invalid", "data[0].nme"),
        ({"data": [{"\ud800": SECRET}]}, 400, "parameter_invalid", "data[0]"),
        ({"data": [{"metadata": {"\ud800": "a"}}]}, 400, "parameter_invalid", "data[0].metadata"),
        ({"data": [{"api_key": SECRET}]}, 400, "parameter_invalid", "data[0].api_key"),
        ({"records": [{"name": "a"}]}, 400, "parameter_invalid", "records"),
        ({"collection_id": "stripe:nothing"}, 400, "parameter_invalid", "collection_id"),
        ({"collection_id": "stripe:event"}, 400, "parameter_invalid", "collection_id"),
        ({"sync_id": "nowhere"}, 404, "resource_missing", "sync_id"),
        ({"sync_id": SECRET}, 404, "resource_missing", "sync_id"),
        ({"sync": "default"}, 400, "parameter_unknown", "sync"),
        ({"kind": "create"}, 400, "parameter_unknown", "kind"),
        ({"on_error": SECRET}, 400, "parameter_invalid", "on_error"),
        ({"await_timeout": 601}, 400, "parameter_invalid", "await_timeout"),
        ({"await_consumers": [SECRET]}, 400, "parameter_invalid", "await_consumers"),
    ],
)
def test_what_cannot_be_right_is_named_and_nothing_is_sent(  # noqa: PLR0917 - a row of the table
    api: ApiServer, sandbox: Any, change: Any, status: int, code: str, param: str
) -> None:
    run(api, [{"name": "a"}])
    sandbox.control.reset_stats()
    body = {"sync_id": "default", "collection_id": "stripe:customer", "data": [{"name": SECRET}]}
    headers = {"content-type": "application/json"}
    answer = api.call("user", "POST", CREATE, content=dumps(body | change), headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param), answer.text
    assert SECRET not in answer.text
    assert sandbox.control.stats()["requests"] == 0


def test_an_unknown_sync_is_not_created(api: ApiServer) -> None:
    run(api, [{"name": "a"}], sync_id="nowhere")
    assert sql("SELECT name FROM stripe_sync.syncs") == ["default"]


@pytest.mark.parametrize("key", ["", "  ", "x" * 256, b"\xe9".decode("latin-1")])
def test_a_key_of_another_form_is_refused(api: ApiServer, key: str) -> None:
    answer = run(api, [{"name": "a"}], headers={"Idempotency-Key": key.encode("latin-1")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")


def test_a_body_of_more_than_a_mebibyte_is_refused(api: ApiServer) -> None:
    answer = run(api, [{"name": "a" * (1 << 20)}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_long")
    assert len(answer.text) < 500


def test_a_paused_sync_sends_nothing(api: ApiServer, sandbox: Any) -> None:
    run(api, [{"name": "a"}])
    pause_sync(warehouse_url(), "default")
    answer = run(api, [{"name": "b"}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "sync_conflict")
    assert len(sandbox.control.objects("customer")) == 1


def test_a_warehouse_that_is_gone_says_what_a_retry_does(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", "postgresql://u:hunter2@127.0.0.1:1/db")
    answer = run(api, [{"name": "a"}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "warehouse_unavailable")
    assert "hunter2" not in answer.text


def test_nothing_of_the_records_and_no_secret_is_logged(
    api: ApiServer, sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run(api, [{"name": "Paul-" + SECRET}, {"nme": SECRET}])
    run(api, [{"name": "Paul-" + SECRET}])
    run(api, [{"id": "cus_none", "description": SECRET}], "update")
    sandbox.control.fault("reset", endpoint="POST *")
    run(api, [{"name": "Paul-" + SECRET}])
    own = [
        each
        for each in caplog.records
        if each.name.split(".")[0] in {"stripe_sync", "stripe_airflow", "stripe"}
    ]
    text = " ".join(each.getMessage() for each in own)
    assert SECRET not in text
    assert sandbox.api_key not in text


def test_a_client_that_goes_away_ends_no_write_and_the_server_waits_for_it(
    api: ApiServer, sandbox: Any
) -> None:
    run(api, [{"name": "a"}])
    sandbox.control.settings(latency=1.0)
    body = dumps(
        {"sync_id": "default", "collection_id": "stripe:customer", "data": [{"name": "b"}]}
    )
    lines = [
        f"POST /stripe{CREATE} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Authorization: {api.headers('user')['Authorization']}",
        f"Content-Length: {len(body)}",
    ]
    head = "\r\n".join([*lines, "", ""])
    sandbox.control.reset_stats()
    with serving(api) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head.encode() + body)
        deadline = time.monotonic() + 60
        while not sql("SELECT 1 FROM stripe_sync.mutations WHERE status = 'sent'"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    # The server has stopped: the write was finished before.
    assert sql("SELECT status FROM stripe_sync.mutations ORDER BY created_at") == ["done", "done"]
    assert sql("SELECT payload ->> 'name' FROM stripe_raw.records ORDER BY seq") == ["a", "b"]


PROXY = "/v1/proxy/sync/default"


def test_the_proxy_passes_everything_through_and_stores_the_object(
    api: ApiServer, sandbox: Any
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded", "Idempotency-Key": "mine"}
    stranger = {"Stripe-Account": "acct_other"}
    answer = api.call(
        "user", "POST", f"{PROXY}/v1/customers", content="name=Paul", headers=form | stranger
    )
    assert answer.status_code == 200, answer.text
    customer = answer.json()
    assert (customer["object"], customer["name"]) == ("customer", "Paul")
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Idempotency-Key"] == "mine"
    assert events(customer["id"]) == ["created mutation"]
    again = api.call("user", "POST", f"{PROXY}/v1/customers", content="name=Paul", headers=form)
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (customer["id"], "true")

    path = f"{PROXY}/v1/customers"
    listed = api.call("user", "GET", f"{path}?limit=1&expand[]=data.default_source")
    assert [each["id"] for each in listed.json()["data"]] == [customer["id"]]
    missing = api.call("user", "GET", f"{path}/cus_none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")
    gone = api.call("user", "DELETE", f"{path}/{customer['id']}")
    assert gone.json()["deleted"] is True
    assert events(customer["id"])[-1] == "deleted mutation"


def test_stripes_sdk_works_through_the_proxy(api: ApiServer) -> None:
    with serving(api) as port:
        base = f"http://127.0.0.1:{port}/stripe{PROXY}"
        client = stripe.StripeClient(api.token("user"), base_addresses={"api": base})
        customer = client.v1.customers.create({"name": "Paul", "metadata": {"house": "Atreides"}})
        listed = client.v1.customers.list({"limit": 1, "expand": ["data.default_source"]})
        assert [each.id for each in listed.data] == [customer.id]
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.customers.retrieve("cus_none")
        assert (caught.value.code, bool(caught.value.request_id)) == ("resource_missing", True)
    assert events(customer.id) == ["created mutation"]


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "param"),
    [
        ("GET", "v2/core/accounts", None, None, 400, "path"),
        ("GET", "v1/customers%2Fcus_1", None, None, 400, "path"),
        ("GET", "v1/%2e%2e/v2/core/accounts", None, None, 400, "path"),
        ("GET", "https://example.com/v1/customers", None, None, 400, "path"),
        ("POST", "v1/files", "purpose=a", "application/x-www-form-urlencoded", 400, "path"),
        ("POST", "v1/customers", '{"name": "a"}', "application/json", 415, "Content-Type"),
        ("POST", "v1/customers", "x", "multipart/form-data; boundary=a", 415, "Content-Type"),
        ("POST", "v1/customers", "key=" + SECRET, None, 400, "key"),
    ],
)
def test_what_the_proxy_refuses(  # noqa: PLR0917 - a row of the table
    api: ApiServer,
    sandbox: Any,
    method: str,
    path: str,
    body: str | None,
    kind: str | None,
    status: int,
    param: str,
) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = api.call("user", method, f"{PROXY}/{path}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text
    assert SECRET not in answer.text
    assert sandbox.control.objects("customer") == []


def test_the_proxy_says_when_stripe_does_not_answer(api: ApiServer, sandbox: Any) -> None:
    api.call("user", "GET", f"{PROXY}/v1/balance")
    sandbox.control.fault("reset", endpoint="DELETE *")
    answer = api.call("user", "DELETE", f"{PROXY}/v1/customers/cus_1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "stripe_unreachable")
    assert "look for the change in Stripe" in answer.json()["error"]["message"]
    sandbox.control.fault("reset", endpoint="GET *")
    reading = api.call("user", "GET", f"{PROXY}/v1/customers/cus_1")
    assert (reading.status_code, "executed" in reading.text) == (504, False)
    assert api.call("user", "GET", "/v1/proxy/sync/nowhere/v1/balance").status_code == 404


def test_the_description_names_bodies_and_answers(server: ApiServer) -> None:
    described = server.call("viewer", "GET", "/openapi.json").json()
    post = described["paths"]["/v1/mutations/run/{kind}"]["post"]
    assert {"200", "207"} <= post["responses"].keys()
    assert loads(dumps(described["components"]["schemas"]["MutationRun"]))["required"] == [
        "sync_id",
        "collection_id",
    ]
    assert "/v1/proxy/sync/{sync_id}/{path}" in described["paths"]
    assert os.environ["AIRFLOW__API__BASE_URL"] == "http://testserver"
