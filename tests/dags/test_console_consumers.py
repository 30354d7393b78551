"""The pages of consumers: create, steer, dead letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import psycopg
import pytest

from dags.api_server import ApiServer
from integration.streams.conftest import Streams, make_streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.pages.consumer_form import KINDS
from stripe_sync import create_consumer, get_consumer, update_consumer
from stripe_sync.consumers.registry import kinds
from stripe_sync.warehouse import Warehouse

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def streams(connections: None) -> Iterator[Streams]:
    with Warehouse(warehouse_url()) as warehouse:
        yield make_streams(warehouse_url(), warehouse)


@pytest.fixture
def api(server: ApiServer, streams: Streams) -> Iterator[ApiServer]:
    forget_connections()
    yield server
    forget_connections()
    server.forget_warehouse()


def forget_connections() -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(Connection).delete()


def page(api: ApiServer, path: str, role: str = "op", status: int = 200) -> str:
    answer = api.call(role, "GET", f"/ui{path}")
    assert answer.status_code == status, answer.text
    return answer.text


def send(api: ApiServer, path: str, form: dict[str, Any] | None = None, status: int = 200) -> Any:
    answer = api.call("op", "POST", f"/ui{path}", data=form, headers={"HX-Request": "true"})
    assert answer.status_code == status, answer.text
    return answer


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_every_kind_has_its_form(api: ApiServer) -> None:
    assert sorted(kind.name for kind in KINDS) == sorted(kinds())
    assert "There is no consumer yet" in page(api, "/consumers")
    for kind in KINDS:
        assert f"Add a {kind.name} consumer" in page(api, f"/add-consumer?kind={kind.name}")
    assert "it is one of" in page(api, "/add-consumer?kind=rabbit", status=400)


def test_a_consumer_is_made_by_the_form_and_shown(api: ApiServer, streams: Streams) -> None:
    streams.customers(1, 2)
    form = {
        "kind": "pull",
        "name": "new",
        "stream": "events",
        "start": "all",
        "collection_id": ["stripe:customer"],
        "event_type": ["created"],
        "setting_ack_wait_ms": "1000",
        "setting_max_deliver": "",
        "more": '{"max_ack_pending": 5}',
    }
    made = send(api, "/add-consumer", form)
    assert made.headers["Stripe-Go"] == "/stripe/ui/consumers/new"
    found = get_consumer(streams.url, "new")
    assert found.settings == {"ack_wait_ms": 1000, "max_ack_pending": 5}
    assert found.filters["collection_id"] == ["stripe:customer"]
    row = text_of(page(api, "/consumers"))
    assert re.search(r"new active pull events 2 .* 0 0 never", row), row
    shown = text_of(page(api, "/consumers/new"))
    assert "Collections customer" in shown
    assert "Kinds of changes created" in shown
    assert "Time to acknowledge, in milliseconds 1000 max_ack_pending 5" in shown


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"name": "A b"}, 400, "lower-case letters"),
        ({"setting_ack_wait_ms": "soon"}, 400, "no whole number"),
        ({"more": "[1]"}, 400, "JSON object"),
        ({"more": MARKUP}, 400, "JSON object"),
        ({"more": '{"ack_wait_ms": 5}', "setting_ack_wait_ms": "5"}, 400, "given twice"),
        ({"start": "other", "other": "next week"}, 400, "a duration such as 30m"),
        ({"kind": "rabbit"}, 400, "it is one of"),
        ({"kind": "kafka"}, 400, "Airflow connection"),
        ({"kind": "webhook", "setting_url": "http://example.com"}, 400, "https://"),
        ({"name": "taken"}, 409, "already"),
    ],
)
def test_a_mistake_is_said(
    api: ApiServer, streams: Streams, changes: dict[str, str], status: int, message: str
) -> None:
    create_consumer(streams.url, "taken", "pull")
    form = {"kind": "pull", "name": "a", "start": "all", "stream": "records"} | changes
    answer = send(api, "/add-consumer", form, status)
    assert message in answer.text
    assert MARKUP not in answer.text


def test_what_a_consumer_reads_and_its_settings_are_edited(
    api: ApiServer, streams: Streams
) -> None:
    settings = {"ack_wait_ms": 1000, "max_ack_pending": 5}
    filters = {"sync_id": ["north"], "collection_id": ["customer"], "event_type": ["created"]}
    create_consumer(streams.url, "crm", "pull", stream="events", settings=settings, filters=filters)
    assert 'href="/stripe/ui/consumers/crm/edit"' in page(api, "/consumers/crm")
    form = page(api, "/consumers/crm/edit")
    for shown in (
        'name="sync_id" value="north" checked',
        'value="stripe:customer" selected',
        'name="event_type" value="created" checked',
        'type="number" value="1000"',
        "&#34;max_ack_pending&#34;: 5",
    ):
        assert shown in form
    assert form.count(" checked") == 2
    assert form.count(" selected") == 1
    sent = {
        "sync_id": ["north", "south"],
        "event_type": ["created"],
        "setting_ack_wait_ms": "2000",
        "more": '{"max_ack_pending": 5}',
    }
    edited = send(api, "/consumers/crm/edit", sent)
    assert edited.headers["Stripe-Go"] == "/stripe/ui/consumers/crm"
    found = get_consumer(streams.url, "crm")
    assert found.settings == {"ack_wait_ms": 2000, "max_ack_pending": 5}
    assert found.filters["sync_id"] == ["north", "south"]
    assert found.filters["collection_id"] == []
    wrong = send(api, "/consumers/crm/edit", {"setting_ack_wait_ms": "soon"}, 400)
    assert "no whole number" in wrong.text
    page(api, "/consumers/none/edit", status=404)


def edit_of(api: ApiServer, **fields: Any) -> dict[str, Any]:
    """The edit form of ``crm`` as a browser sends it, with some fields changed."""
    form = page(api, "/consumers/crm/edit")
    [was] = re.findall(r'name="was" value="([^"]*)"', form)
    ticked = re.findall(r'name="sync_id" value="([^"]*)" checked', form)
    chosen = re.findall(r'<option value="([^"]*)" selected', form)
    return {"was": unescape(was), "sync_id": ticked, "collection_id": chosen} | fields


def test_a_filter_that_names_a_deleted_sync_stays(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull", filters={"sync_id": ["south", "north"]})
    with psycopg.connect(streams.url) as connection:
        connection.execute("DELETE FROM stripe_sync.syncs WHERE name = 'south'")
    sent = edit_of(api, setting_ack_wait_ms="2000")
    assert sent["sync_id"] == ["north", "south"]
    send(api, "/consumers/crm/edit", sent)
    found = get_consumer(streams.url, "crm")
    assert found.filters["sync_id"] == ["north", "south"]
    assert found.settings == {"ack_wait_ms": 2000}


def test_what_somebody_else_changed_of_a_consumer_is_not_overwritten(
    api: ApiServer, streams: Streams
) -> None:
    create_consumer(streams.url, "crm", "pull", settings={"ack_wait_ms": 1000})
    mine = edit_of(api, setting_ack_wait_ms="3000")
    theirs = {"settings": {"ack_wait_ms": 2000}, "filters": {"sync_id": ["north"]}}
    update_consumer(streams.url, "crm", **theirs)
    refused = send(api, "/consumers/crm/edit", mine, 409)
    assert "its settings were changed meanwhile" in refused.text
    send(api, "/consumers/crm/edit", mine | {"setting_ack_wait_ms": "1000"})  # nothing of mine
    found = get_consumer(streams.url, "crm")
    assert (found.settings, found.filters["sync_id"]) == ({"ack_wait_ms": 2000}, ["north"])
    for milliseconds in (4000, 5000):  # one's own change is no other person's
        send(api, "/consumers/crm/edit", edit_of(api, setting_ack_wait_ms=str(milliseconds)))
    assert get_consumer(streams.url, "crm").settings == {"ack_wait_ms": 5000}


def test_the_secret_of_a_webhook_is_shown_once(api: ApiServer) -> None:
    form = {"kind": "webhook", "name": "hook", "setting_url": "https://example.com/hook"}
    secrets = [send(api, "/add-consumer", form).text]
    secrets.append(send(api, "/consumers/hook/rotate-secret").text)
    found = [re.findall(r"whsec_[A-Za-z0-9+/=]+", text) for text in secrets]
    assert [len(each) for each in found] == [1, 1]
    assert found[0] != found[1]
    assert "whsec_" not in page(api, "/consumers/hook")


def test_a_consumer_is_paused_resumed_replayed_and_deleted(
    api: ApiServer, streams: Streams
) -> None:
    streams.customers(1, 2)
    create_consumer(streams.url, "crm", "pull", deliver_policy="new")
    assert send(api, "/consumers/crm/pause").headers["Stripe-Go"] == "/stripe/ui/consumers/crm"
    assert 'data-opens="resume"' in page(api, "/consumers/crm")
    send(api, "/consumers/crm/resume")
    assert get_consumer(streams.url, "crm").status == "active"
    send(api, "/consumers/crm/replay", {"start": "all"})
    assert get_consumer(streams.url, "crm").lag_items == 2
    send(api, "/consumers/crm/replay", {"start": "new"})
    assert get_consumer(streams.url, "crm").lag_items == 0
    send(api, "/consumers/crm/replay", {"start": "other", "other": "1h"})
    assert get_consumer(streams.url, "crm").lag_items == 2
    for start, words in (("other", "name a duration"), ("\0", "cannot be stored")):
        assert words in send(api, "/consumers/crm/replay", {"start": start}, 400).text
    assert send(api, "/consumers/crm/delete").headers["Stripe-Go"] == "/stripe/ui/consumers"
    assert "There is no consumer yet" in page(api, "/consumers")
    page(api, "/consumers/crm", status=404)


def test_dead_letters_are_read_page_by_page_and_delivered_again(
    api: ApiServer, streams: Streams
) -> None:
    create_consumer(streams.url, "crm", "pull", stream="events")
    streams.customers(*range(60))
    with psycopg.connect(streams.url) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.consumer_items (sync_id, consumer, seq, collection_id,"
            " upstream_id, state, deliveries, last_error) SELECT sync_id, 'crm', seq,"
            " collection_id, upstream_id, 'dead', 3, %s FROM stripe_raw.events",
            (MARKUP,),
        )
    first = page(api, "/consumers/crm")
    assert MARKUP not in first
    assert first.count("&lt;img") == 50
    [after] = re.findall(r'href="/stripe(/ui/consumers/crm\?after=[^"]+)"', first)
    rest = page(api, after.removeprefix("/ui"))
    assert rest.count("&lt;img") == 10
    send(api, "/consumers/crm/redeliver", {"seq": "1"})
    assert get_consumer(streams.url, "crm").dead == 59
    again = send(api, "/consumers/crm/redeliver", {"seq": "1"}, 404)
    assert "no dead letter any more" in again.text
    assert "no stream position" in send(api, "/consumers/crm/redeliver", {"seq": "x"}, 400).text
    send(api, "/consumers/crm/redeliver")
    assert get_consumer(streams.url, "crm").dead == 0


def test_a_viewer_sees_why_the_buttons_are_off(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull")
    for path in ("/consumers", "/consumers/crm", "/consumers/crm/edit", "/add-consumer"):
        shown = page(api, path, role="viewer")
        buttons = re.findall(r"<button(?![^>]*data-closes)[^>]*>", shown)
        steering = [each for each in buttons if "data-opens" in each or "disabled" in each]
        assert steering
        assert all('title="you lack the right to edit connections' in each for each in steering)


def test_only_what_changed_is_sent(api: ApiServer, streams: Streams) -> None:
    create_consumer(streams.url, "crm", "pull")
    seen = ".".join(re.findall(r'data-version="([0-9a-f]+)"', page(api, "/consumers/crm")))
    assert page(api, f"/consumers/crm/changes?seen={seen}", status=204) == ""
    send(api, "/consumers/crm/pause")
    assert "paused" in page(api, f"/consumers/crm/changes?seen={seen}")
