"""Requests that pass through: Stripe gets them as they are, and the streams get the objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stripe_sync import (
    AuthenticationError,
    ConfigurationError,
    ProxyAnswer,
    ProxyRequest,
    StripeUnreachable,
    SyncConflict,
    SyncSettings,
    create_sync,
    pause_sync,
    proxy_request,
    update_sync,
)
from stripe_sync.records.canonical_json import loads
from sync_harness import SYNC, SyncHarness


def send(
    harness: SyncHarness, method: str, path: str, body: str | None = None, **more: Any
) -> ProxyAnswer:
    request = ProxyRequest(method, path, body=body, **more)
    return proxy_request(harness.connections, SYNC, request)


def of(answer: ProxyAnswer) -> dict[str, Any]:
    assert answer.status == 200, answer.content
    found: dict[str, Any] = loads(answer.content)
    return found


def test_what_a_post_makes_is_in_the_streams_once_and_its_stripe_event_is_its_echo(
    harness: SyncHarness,
) -> None:
    harness.poll()
    body = "name=Paul&metadata[house]=Atreides"
    answer = send(harness, "POST", "v1/customers", body, idempotency_key="k" * 255)
    customer = of(answer)
    assert answer.headers["Request-Id"].startswith("req_")
    assert customer["metadata"] == {"house": "Atreides"}

    record = harness.record(customer["id"])
    assert record["payload"] == customer
    [event] = harness.events(customer["id"])
    assert (event["event_type"], event["source"]) == ("created", "mutation")

    of(send(harness, "POST", f"v1/customers/{customer['id']}", "name=Leto"))
    of(send(harness, "DELETE", f"v1/customers/{customer['id']}"))
    harness.poll(3)
    kinds = [(each["event_type"], each["source"]) for each in harness.events(customer["id"])]
    assert kinds == [("created", "mutation"), ("updated", "mutation"), ("deleted", "mutation")]
    harness.assert_streams_agree()


def test_the_objects_in_an_answer_are_stored_too(harness: SyncHarness) -> None:
    harness.sandbox.control.demo()
    customer, price = harness.sandbox.control.objects("customer")[0], None
    price = next(each for each in harness.sandbox.control.objects("price") if each.get("recurring"))
    body = f"customer={customer['id']}&items[0][price]={price['id']}"
    subscription = of(send(harness, "POST", "v1/subscriptions", body))
    item = subscription["items"]["data"][0]["id"]
    assert harness.record(item)["collection_id"] == "stripe:subscription_item"


def test_an_action_of_an_object_is_a_change_and_a_delete_that_returns_it_is_one(
    harness: SyncHarness,
) -> None:
    harness.sandbox.control.demo()
    [subscription, *_] = [
        each
        for each in harness.sandbox.control.objects("subscription")
        if each["status"] == "active"
    ]
    of(send(harness, "DELETE", f"v1/subscriptions/{subscription['id']}", "prorate=false"))
    record = harness.record(subscription["id"])
    assert (record["deleted"], record["payload"]["status"]) == (False, "canceled")


def test_the_callers_key_is_passed_on_and_a_replay_is_read_again(harness: SyncHarness) -> None:
    first = send(harness, "POST", "v1/customers", "name=Paul", idempotency_key="mine")
    name = of(first)["id"]
    of(send(harness, "POST", f"v1/customers/{name}", "name=Muad'dib".replace("'", "%27")))
    again = send(harness, "POST", "v1/customers", "name=Paul", idempotency_key="mine")
    assert of(again)["name"] == "Paul"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert harness.record(name)["payload"]["name"] == "Muad'dib"
    other = send(harness, "POST", "v1/customers", "name=Leto", idempotency_key="mine")
    assert (other.status, loads(other.content)["error"]["type"]) == (400, "idempotency_error")


@pytest.mark.parametrize(
    ("query", "version"), [("expand[]=default_source", None), ("", "2022-08-01")]
)
def test_answers_in_another_shape_are_read_again(
    harness: SyncHarness, query: str, version: str | None
) -> None:
    post = send(harness, "POST", "v1/customers", "name=a&" + query, api_version=version)
    record = harness.record(of(post)["id"])
    assert record["payload"] == of(send(harness, "GET", f"v1/customers/{of(post)['id']}"))


def test_what_is_read_is_stored_as_the_present_state(harness: SyncHarness) -> None:
    control = harness.sandbox.control
    control.seed({"customer": 1, "product": 3})
    [customer] = (each["id"] for each in control.objects("customer"))
    control.mutate("customer", customer, {"name": "changed unseen"})
    assert of(send(harness, "GET", f"v1/customers/{customer}"))["name"] == "changed unseen"
    assert harness.record(customer)["payload"]["name"] == "changed unseen"
    assert [each["source"] for each in harness.events(customer)] == ["reconcile"]

    page = of(send(harness, "GET", "v1/products", query="limit=2"))
    assert [harness.record(each["id"])["payload"] for each in page["data"]] == page["data"]
    of(send(harness, "GET", f"v1/customers/{customer}"))
    assert len(harness.events(customer)) == 1


@pytest.mark.parametrize(
    "path", ["v1/customers/search", "v1/events", "v1/balance", "v1/invoices/upcoming"]
)
def test_what_may_lag_or_is_no_object_of_the_sync_is_not_stored(
    harness: SyncHarness, path: str
) -> None:
    harness.sandbox.control.demo()
    [customer, *_] = harness.sandbox.control.objects("customer")
    query = {"search": "query=name%3A%27a%27", "upcoming": f"customer={customer['id']}"}
    send(harness, "GET", path, query=query.get(path.rpartition("/")[2], ""))
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(0,)]


def test_only_what_the_sync_has_is_stored(harness: SyncHarness) -> None:
    create_sync(harness.connections.warehouse_url, SYNC, livemode=False, collections=["product"])
    customer = of(send(harness, "POST", "v1/customers", "name=a"))
    of(send(harness, "GET", f"v1/customers/{customer['id']}"))
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(0,)]
    product = of(send(harness, "POST", "v1/products", "name=Spice"))
    assert harness.record(product["id"])["payload"]["name"] == "Spice"


def test_objects_that_are_too_old_for_the_sync_are_read_but_not_stored(
    harness: SyncHarness,
) -> None:
    control = harness.sandbox.control
    control.seed({"customer": 1})
    control.clock(advance=40 * 86_400)
    settings = SyncSettings(redact=False, max_age_days=30)
    young = replace(harness, connections=replace(harness.connections, settings=settings))
    of(send(young, "GET", "v1/customers"))
    assert harness.sql("SELECT count(*) FROM stripe_raw.records") == [(0,)]


def test_an_error_is_passed_on_without_secrets(harness: SyncHarness) -> None:
    settings = SyncSettings(redact=True)
    redacting = replace(harness, connections=replace(harness.connections, settings=settings))
    missing = send(redacting, "GET", "v1/customers/cus_none")
    error = loads(missing.content)["error"]
    assert (missing.status, error["code"]) == (404, "resource_missing")
    assert missing.headers["Request-Id"]


def test_a_key_that_stripe_refuses_is_an_error_of_ours(harness: SyncHarness) -> None:
    send(harness, "GET", "v1/balance")
    harness.sandbox.control.remove_key(harness.sandbox.api_key)
    with pytest.raises(AuthenticationError):
        send(harness, "GET", "v1/balance")


def test_an_answer_that_is_lost_says_that_it_may_have_run(harness: SyncHarness) -> None:
    [customer] = [of(send(harness, "POST", "v1/customers", "name=a"))["id"]]
    harness.sandbox.control.fault("reset", endpoint="DELETE *", applied=True)
    with pytest.raises(StripeUnreachable) as caught:
        send(harness, "DELETE", f"v1/customers/{customer}")
    assert caught.value.may_have_run is True
    assert harness.sandbox.control.objects("customer") == []


def test_a_paused_sync_sends_nothing(harness: SyncHarness) -> None:
    create_sync(harness.connections.warehouse_url, SYNC, livemode=False)
    pause_sync(harness.connections.warehouse_url, SYNC)
    with pytest.raises(SyncConflict):
        send(harness, "GET", "v1/balance")
    assert harness.sandbox.control.stats()["requests"] == 0


def test_fields_that_the_sync_leaves_out_are_in_the_answer_only(harness: SyncHarness) -> None:
    create_sync(harness.connections.warehouse_url, SYNC, livemode=False)
    update_sync(harness.connections.warehouse_url, SYNC, settings={"exclude": ["customer.email"]})
    customer = of(send(harness, "POST", "v1/customers", "email=a%40b.example"))
    assert customer["email"] == "a@b.example"
    assert "email" not in harness.record(customer["id"])["payload"]


@pytest.mark.parametrize("path", ["v1/customers#a", "v1/things/a#b", "v1/customers{", "v1/x?a=b"])
def test_no_part_of_a_path_ends_it(harness: SyncHarness, path: str) -> None:
    answer = send(harness, "DELETE", path)
    assert answer.status == 404
    assert path.encode() in answer.content


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (ProxyRequest("PUT", "v1/customers"), "method"),
        (ProxyRequest("GET", "customers"), "path"),
        (ProxyRequest("GET", "v1"), "path"),
        (ProxyRequest("GET", "v1/"), "path"),
        (ProxyRequest("GET", "v2/core/accounts"), "path"),
        (ProxyRequest("GET", "https://example.com/v1/customers"), "path"),
        (ProxyRequest("GET", "//example.com/v1/customers"), "path"),
        (ProxyRequest("GET", "v1/customers//cus_1"), "path"),
        (ProxyRequest("GET", "v1/customers/../charges"), "path"),
        (ProxyRequest("GET", "v1/../v2/core/accounts"), "path"),
        (ProxyRequest("GET", "v1/customers/."), "path"),
        (ProxyRequest("GET", "v1/customers\\..\\charges"), "path"),
        (ProxyRequest("GET", "v1/customers/a\nb"), "path"),
        (ProxyRequest("POST", "v1/files", body="purpose=x"), "path"),
        (ProxyRequest("GET", "v1/files/file_1/contents"), "path"),
        (ProxyRequest("GET", "v1/customers", body="a=1"), "body"),
        (ProxyRequest("POST", "v1/customers", body='{"name": "a"}'), "body"),
        (ProxyRequest("GET", "v1/customers", query="a=ä"), "query"),
        (ProxyRequest("GET", "v1/customers", query="a=1#b"), "query"),
        (ProxyRequest("POST", "v1/customers", body="key=pk_1"), "key"),
        (
            ProxyRequest("POST", "v1/customers", body="a=1&_stripe_account=acct_2"),
            "_stripe_account",
        ),
        (ProxyRequest("GET", "v1/customers", query="%5Fstripe_account=acct_2"), "_stripe_account"),
        (ProxyRequest("POST", "v1/customers", idempotency_key=""), "Idempotency-Key"),
        (ProxyRequest("POST", "v1/customers", idempotency_key="é"), "Idempotency-Key"),
        (ProxyRequest("GET", "v1/customers", api_version="1\r\n2"), "Stripe-Version"),
    ],
)
def test_what_is_refused_before_anything_is_sent(
    harness: SyncHarness, request_: ProxyRequest, param: str
) -> None:
    send(harness, "GET", "v1/balance")
    harness.sandbox.control.reset_stats()
    with pytest.raises(ConfigurationError) as caught:
        proxy_request(harness.connections, SYNC, request_)
    assert caught.value.param == param
    assert harness.sandbox.control.stats()["requests"] == 0
