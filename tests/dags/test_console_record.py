"""The page of a record, the search for it, and the form that changes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from dags.api_server import ApiServer, fresh_mutations
from dags.test_console_stream import HALF, MARKUP, RIGHT_TO_LEFT, forget_syncs
from integration.streams.conftest import Streams, customer, make_streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import create_sync, pause_sync, update_sync
from stripe_sync.records.canonical_json import loads
from stripe_sync.warehouse import Warehouse


@pytest.fixture
def streams(server: ApiServer, connections: None) -> Iterator[Streams]:
    forget_syncs()
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)
    server.forget_warehouse()


@pytest.fixture
def api(server: ApiServer, streams: Streams) -> ApiServer:
    return server


@pytest.fixture
def writing(server: ApiServer, connections: None) -> Iterator[ApiServer]:
    """The app with a sync ``default`` of the sandbox."""
    forget_syncs()
    create_sync(warehouse_url(), "default", livemode=False)
    with fresh_mutations():
        yield server
    server.forget_warehouse()


def test_any_id_leads_to_its_record(api: ApiServer, streams: Streams) -> None:
    streams.customers(1, 2)
    streams.customers(2, sync="south")
    found = api.call("viewer", "GET", "/ui/records?q=%20cus_1%20", follow_redirects=False)
    assert found.status_code == 303
    assert found.headers["location"] == "/stripe/ui/records/stripe%3Acustomer/cus_1?sync=north"
    several = api.call("viewer", "GET", "/ui/records?q=cus_2")
    assert re.findall(r"cus_2\?sync=(\w+)", several.text) == ["north", "south"]
    one = api.call("viewer", "GET", "/ui/records?q=cus_2&sync=south", follow_redirects=False)
    assert one.headers["location"].endswith("cus_2?sync=south")
    none = api.call("viewer", "GET", f"/ui/records?q={quote(MARKUP)}")
    assert (none.status_code, "<script>alert" in none.text) == (200, False)
    assert "No sync has an object with the id" in none.text
    assert "Enter any id of Stripe" in api.call("viewer", "GET", "/ui/records").text
    assert api.call("viewer", "GET", "/ui/records?q=%00").status_code == 400


def test_the_page_has_payload_history_and_what_belongs_to_it(
    api: ApiServer, streams: Streams
) -> None:
    from dataclasses import replace

    streams.customers(1, id="cus_1", object="customer", name="Old", currency="usd", balance=5)
    streams.write(replace(customer(1, collection="tax_id", customer="cus_1"), parent_id="cus_1"))
    streams.customers(
        1, when=1, id="cus_1", object="customer", name="New", currency="usd", balance=5
    )
    page = api.call("viewer", "GET", "/ui/records/stripe:customer/cus_1?sync=north")
    assert page.status_code == 200
    names = re.findall(r'class="key"><bdi>(\w+)</bdi>', page.text)
    assert names == ["id", "object", "balance", "currency", "n", "name"]
    assert "0.05 USD" in page.text
    assert 'href="/stripe/ui/records/stripe%3Atax_id/tax_1?sync=north"' in page.text
    history = page.text.partition('id="record-history"')[2]
    assert re.findall(r'class="badge \w+">(\w+)<', history) == ["updated", "created"]
    assert "by polling" in history
    assert history.index("Old") < history.index("New")
    child = api.call("viewer", "GET", "/ui/records/tax_id/tax_1")
    assert 'href="/stripe/ui/records?q=cus_1&amp;sync=north"' in child.text
    assert "Stripe lets nobody update these objects" in child.text


def test_a_missing_record_and_one_of_two_syncs(api: ApiServer, streams: Streams) -> None:
    streams.customers(1)
    streams.customers(1, sync="south")
    for path, status in {
        "stripe:customer/cus_2": 404,
        "stripe:none/cus_1": 400,
        "stripe:customer/cus_1?sync=none": 404,
        "stripe:customer/cus_1": 400,
    }.items():
        page = api.call("viewer", "GET", f"/ui/records/{path}")
        assert page.status_code == status, path
        assert 'role="alert"' in page.text


def test_a_long_history_is_read_page_by_page(api: ApiServer, streams: Streams) -> None:
    for number in range(45):
        streams.customers(1, when=number, name=f"name {number}")
    page = api.call("viewer", "GET", "/ui/records/stripe:customer/cus_1?sync=north")
    texts = [page.text.partition('id="record-history"')[2]]
    while more := re.findall(r'hx-get="/stripe(/ui/record-history[^"]+)"', texts[-1]):
        texts.append(api.call("viewer", "GET", unescape(more[0])).text)
    seen = [int(n) for text in texts for n in re.findall(r"<td>[^/]*>name (\d+)<", text)]
    assert seen == list(range(44, 0, -1))
    assert len(texts) == 3


def test_odd_payloads_are_text_and_bounded_and_can_be_seen_whole(
    api: ApiServer, streams: Streams
) -> None:
    metadata = {f"key {number:05}": MARKUP for number in range(10_000)}
    long = "x" * 1_000_000 + "end"
    odd = {"note": RIGHT_TO_LEFT, "half": HALF, "long": long, "far": [-(10**30), [10**20]]}
    streams.customers(1, name=MARKUP, metadata=metadata, **odd)
    page = api.call("viewer", "GET", "/ui/records/stripe:customer/cus_1?sync=north")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert f'<bdi class="wrap mono">{RIGHT_TO_LEFT}</bdi>' in page.text
    assert len(page.text) < 150_000
    parts = [
        unescape(each) for each in re.findall(r'hx-get="/stripe(/ui/record-part[^"]+)"', page.text)
    ]
    [text] = [each for each in parts if "long" in each]
    whole = api.call("viewer", "GET", text).text
    assert long in whole
    [more] = [each for each in parts if "offset=100" in each]
    further = api.call("viewer", "GET", more).text
    assert "key 00100" in further
    assert "key 00099" not in further
    assert "<script>" not in further
    assert "offset=200" in further
    [raw] = [each for each in parts if "part=" not in each]
    raw_json = unescape(re.sub(r"<[^>]+>", "", api.call("viewer", "GET", raw).text))
    assert raw_json.count("<script>") == 10_001
    assert loads(raw_json)["far"] == odd["far"]
    far = f'part=["far","{"9" * 5000}"]'
    for wrong in ("part=x", "part=[1]", 'part=["none"]', 'part=["name","0"]', far):
        answer = api.call(
            "viewer",
            "GET",
            f"/ui/record-part?collection_id=customer&upstream_id=cus_1&sync=north&{wrong}",
        )
        assert answer.status_code in (400, 404), wrong


def test_what_is_nested_deeply_is_opened_level_by_level(api: ApiServer, streams: Streams) -> None:
    nested: Any = "the end"
    for _ in range(240):
        nested = {"in": nested}
    streams.customers(1, nested=nested)
    found = api.call("viewer", "GET", "/ui/records/stripe:customer/cus_1?sync=north")
    pages = 0
    while "the end" not in found.text:
        assert found.status_code == 200
        [further] = re.findall(r'hx-get="/stripe(/ui/record-part[^"]+offset=0)"', found.text)
        found = api.call("viewer", "GET", unescape(further))
        pages += 1
    assert pages == 12


def made(api: ApiServer, **fields: Any) -> str:
    """A customer at Stripe; its id."""
    body = {"sync_id": "default", "collection_id": "customer", "data": [fields]}
    answer = api.call("user", "POST", "/v1/mutations/run/create", json=body)
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["records"][0]["upstream_id"]
    return name


def form_of(page: Any) -> dict[str, str]:
    """What a browser sends of the form without a change."""
    form = page.text.partition("<form hx-post")[2]
    inputs = re.findall(
        r'<(?:input|textarea|select)[^>]* name="([^"]+)"(?: value="([^"]*)")?', form
    )
    return {unescape(name): unescape(value) for name, value in inputs}


def update_path(customer_id: str) -> str:
    return f"/ui/record-update?collection_id=customer&upstream_id={customer_id}&sync=default"


def page_of(api: ApiServer, customer_id: str, role: str = "user") -> Any:
    return api.call(role, "GET", f"/ui/records/stripe:customer/{customer_id}?sync=default")


def sources(customer_id: str) -> list[str]:
    with psycopg.connect(warehouse_url()) as connection:
        rows = connection.execute(
            "SELECT event_type || ' ' || source FROM stripe_raw.events WHERE upstream_id = %s"
            " ORDER BY seq",
            [customer_id],
        )
        return [row[0] for row in rows]


def test_the_form_sends_what_was_changed_and_the_answer_has_it(
    writing: ApiServer, sandbox: Any
) -> None:
    name = made(writing, name="Paul", email="p@example.com", metadata={"a": "1", "b": "2"})
    page = page_of(writing, name)
    form = form_of(page)
    assert (form["field:name"], form["was:name"], form["metadata:a"]) == ("Paul", "Paul", "1")
    changed = form | {
        "field:name": "Leto",
        "metadata:a": "",
        "new-key": "c",
        "new-value": MARKUP,
        "json": '{"address": {"city": "Caladan"}}',
    }
    # Somebody else changes another field meanwhile: the form must not bring the old one back.
    body = {
        "sync_id": "default",
        "collection_id": "customer",
        "data": [{"id": name, "email": "q@example.com"}],
    }
    assert writing.call("user", "POST", "/v1/mutations/run/update", json=body).status_code == 200
    answer = writing.call("user", "POST", update_path(name), data=changed)
    assert answer.status_code == 200, answer.text
    assert "Stripe has the change" in answer.text
    assert "<script>alert" not in answer.text
    [now] = sandbox.control.objects("customer")
    assert (now["name"], now["email"]) == ("Leto", "q@example.com")
    assert now["metadata"] == {"b": "2", "c": MARKUP}
    assert now["address"]["city"] == "Caladan"
    history = answer.text.partition('id="record-history"')[2]
    assert "written through this sync" in history
    assert history.index("Paul") < history.index("Leto")
    assert form_of(answer)["key"] != form["key"]
    assert form_of(answer)["field:name"] == "Leto"


def test_line_ends_are_where_a_browser_leaves_them(writing: ApiServer) -> None:
    texts = {"cr": "a\rb", "crlf": "a\r\nb", "lf": "a\nb", "plain": "a b"}
    name = made(writing, metadata={**texts, "odd\nkey": "c"})
    page = page_of(writing, name).text
    # In a field of one line there would be none: a change that nobody made.
    long = re.findall(r'<textarea[^>]* name="metadata:([^"]+)"', page)
    assert long == ["cr", "crlf", "lf"]
    assert re.findall(r'<input[^>]* name="metadata:([^"]+)"', page) == ["plain"]
    assert "1 more keys" in page


def test_a_double_click_writes_once(writing: ApiServer, sandbox: Any) -> None:
    name = made(writing, name="Paul")
    changed = form_of(page_of(writing, name)) | {"field:name": "Leto"}
    sandbox.control.settings(latency=0.3)
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda _: writing.call("user", "POST", update_path(name), data=changed), range(2)
            )
        )
    assert [each.status_code for each in answers] == [200, 200]
    assert sources(name) == ["created mutation", "updated mutation"]


def test_what_somebody_else_has_written_is_not_overwritten_unseen(
    writing: ApiServer, sandbox: Any
) -> None:
    name = made(writing, name="Paul", metadata={"a": "1"})
    form = form_of(page_of(writing, name))
    theirs = form | {"field:name": "Jessica", "metadata:a": "2"}
    assert writing.call("user", "POST", update_path(name), data=theirs).status_code == 200
    for field, value in (("field:name", "Leto"), ("metadata:a", "3")):
        answer = writing.call("user", "POST", update_path(name), data=form | {field: value})
        assert answer.status_code == 409
        assert "was changed meanwhile" in answer.text
    [now] = sandbox.control.objects("customer")
    assert (now["name"], now["metadata"]) == ("Jessica", {"a": "2"})
    again = form_of(answer)
    assert (again["field:name"], again["metadata:a"]) == ("Jessica", "3")
    again["field:name"] = "Leto"
    assert writing.call("user", "POST", update_path(name), data=again).status_code == 200
    [now] = sandbox.control.objects("customer")
    assert (now["name"], now["metadata"]) == ("Leto", {"a": "3"})


def test_refusals_are_in_words_and_keep_what_was_entered(writing: ApiServer, sandbox: Any) -> None:
    name = made(writing, name="Paul", metadata={"rank": "duke"})
    form = form_of(page_of(writing, name))
    for changes, status, words in (
        ({}, 400, "no field was changed"),
        ({"json": "{"}, 400, "no JSON"),
        ({"json": "[1]"}, 400, "must be a JSON object"),
        ({"json": '{"nmae": "x"}'}, 400, "did you mean name"),
        ({"field:name": "A", "json": '{"name": "B"}'}, 400, "name is changed in its field and in"),
        ({"new-key": "a", "json": '{"metadata": {}}'}, 400, "metadata is changed in its field"),
        ({"json": '{"id": "cus_other", "name": "B"}'}, 400, "id names another object"),
        ({"new-value": "1"}, 400, "has no key"),
        ({"new-key": " rank", "new-value": "1"}, 400, "has rank already"),
        ({"field:name": MARKUP, "json": "{"}, 400, "no JSON"),
        ({"key": "x", "field:name": "Leto"}, 400, "reload the page"),
    ):
        answer = writing.call("user", "POST", update_path(name), data=form | changes)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
        assert "<script>alert" not in answer.text
        entered = form_of(answer)
        assert entered["field:name"] == changes.get("field:name", "Paul")
    sandbox.control.remove("customer", name)
    gone = form | {"field:name": MARKUP}
    answer = writing.call("user", "POST", update_path(name), data=gone)
    assert (answer.status_code, form_of(answer)["field:name"]) == (422, MARKUP)
    assert "No such customer" in answer.text
    assert "req_" in answer.text
    assert sources(name) == ["created mutation"]
    pause_sync(warehouse_url(), "default")
    answer = writing.call("user", "POST", update_path(name), data=form | {"field:name": "Leto"})
    assert answer.status_code == 409
    assert "paused" in answer.text


def test_viewers_see_the_form_and_cannot_send_it(writing: ApiServer) -> None:
    name = made(writing, name="Paul")
    page = page_of(writing, name, "viewer")
    assert re.search(r'<button type="submit" class="primary" disabled title="[^"]+">', page.text)
    changed = form_of(page) | {"field:name": "Leto"}
    answer = writing.call("viewer", "POST", update_path(name), data=changed)
    assert answer.status_code == 403
    assert sources(name) == ["created mutation"]


def test_where_a_person_must_approve_nothing_is_sent(writing: ApiServer, sandbox: Any) -> None:
    name = made(writing, name="Paul")
    update_sync(warehouse_url(), "default", settings={"approve_mutations": True})
    changed = form_of(page_of(writing, name)) | {"field:name": "Leto"}
    answer = writing.call("user", "POST", update_path(name), data=changed)
    assert answer.status_code == 202, answer.text
    assert "A person must approve this in Airflow" in answer.text
    assert re.search(r'href="/dags/stripe_mutate/runs/http__[^"]+" data-leaves', answer.text)
    assert sandbox.control.objects("customer")[0]["name"] == "Paul"
