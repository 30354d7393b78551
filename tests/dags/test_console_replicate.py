"""Replicate to live in the console: the difference first, then the same function as the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dags.api_server import ApiServer
from dags.console_person import Person, text_of
from dags.stored_keys import ACCOUNT, SECRET, SPEC_KEY, post, without_credentials
from dags.stored_keys import body as key_body
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sandbox.server import Running
from stripe_sync import create_sync, describe_syncs, get_sync, update_sync

PAGE = "/ui/syncs/shop-test/replicate"
LIVE_ID = f"stripe_{ACCOUNT}_live"
CHOSEN = {"customer", "invoice"}
MARKUP = "<img src=x onerror=alert(1)>"
LONG = "ä" * 5_000


@pytest.fixture
def api(server: ApiServer, connections: None, sandbox: Running) -> Iterator[ApiServer]:
    """The API with a test mode sync ``shop-test`` of two collections, and no live mode key."""
    with without_credentials(server, sandbox) as found:
        test = post(found, key_body(SECRET))
        create_sync(
            warehouse_url(),
            "shop-test",
            livemode=False,
            connection_id=test["id"],
            collections=["customer", "invoice"],
            settings={"max_age_days": 30},
            metadata={"note": MARKUP, "long": LONG},
        )
        yield found
    server.forget_warehouse()


@pytest.fixture
def person(api: ApiServer) -> Person:
    return Person(api)


def difference(person: Person, **form: str) -> str:
    form = {"name": "shop", "credential": LIVE_ID, **form}
    return person.send(f"{PAGE}/difference", **form)


def test_the_whole_road_and_later_what_has_changed(person: Person, api: ApiServer) -> None:
    page = person.get(PAGE)
    assert 'value="shop"' in page
    assert "No live mode key is stored yet" in page
    back = person.go(f"{PAGE}/key?target=shop", secret_key=SPEC_KEY)
    assert back == f"{PAGE}?credential={LIVE_ID}&name=shop"
    assert f'<option value="{LIVE_ID}" selected>' in person.get(back)

    shown = difference(person)
    text = text_of(shown)
    assert "differences between shop-test and shop" in text
    assert "settings.max_age_days — 30" in text
    assert MARKUP in text
    assert "<img" not in shown
    assert "(5,000 characters)" in shown
    assert [each.name for each in describe_syncs(warehouse_url())] == ["shop-test"]  # only shown

    form = {"name": "shop", "credential": LIVE_ID, "backfill": "on"}
    assert person.go(PAGE, **form) == "/ui/syncs/shop"
    target = get_sync(warehouse_url(), "shop")
    assert (target.livemode, target.conn_id) == (True, LIVE_ID)
    assert target.settings == {"max_age_days": 30}
    runs = api.client.get("/api/v2/dags/stripe_backfill/dagRuns", headers=api.headers("op")).json()
    started = [each["conf"] for each in runs["dag_runs"] if "replicate__" in each["dag_run_id"]]
    assert [(each["sync"], {*each["collections"]}) for each in started] == [("shop", CHOSEN)]

    update_sync(warehouse_url(), "shop-test", settings={"max_age_days": 90})
    assert "With the name of a live mode sync" in person.get(PAGE)
    assert f'<option value="{LIVE_ID}" selected>' in person.last.text
    shown = difference(person, credential="")
    assert "settings.max_age_days 30 90" in text_of(shown)
    [seen] = re.findall(r'name="expected" value="([^"]+)"', shown)
    update_sync(warehouse_url(), "shop", settings={"max_age_days": 60})
    refused = person.send(PAGE, status=409, name="shop", expected=seen)
    assert "was changed meanwhile: look at the difference again" in text_of(refused)
    assert get_sync(warehouse_url(), "shop").settings == {"max_age_days": 60}
    [seen] = re.findall(r'name="expected" value="([^"]+)"', difference(person, credential=""))
    for _ in range(2):  # a double click
        person.go(PAGE, name="shop", expected=seen)
    assert get_sync(warehouse_url(), "shop").settings == {"max_age_days": 90}
    assert "shop is up to date" in text_of(difference(person))
    assert SPEC_KEY not in "".join(person.seen)


def test_what_the_live_key_may_not_read_is_shown_before(
    person: Person, sandbox: Running, api: ApiServer
) -> None:
    few = "rk_live_few00000000000000"
    sandbox.control.add_key(few, permissions=["rak_customer_read"])
    person.go(f"{PAGE}/key", secret_key=few)
    text = text_of(difference(person))
    assert "The key may not read 2 of the collections" in text
    assert re.search(r"invoice no invoice_read", text)
    assert "event no event_read" in text
    assert "customer no" not in text


MISTAKES: list[tuple[str, dict[str, Any], int, str]] = [
    ("/key", {"secret_key": SECRET}, 400, "a sync is replicated to live mode"),
    ("/key", {"secret_key": "sk_live_wrong"}, 422, "does not accept the API key"),
    ("/difference", {"name": "Shop"}, 400, "the name of a sync has lower-case letters"),
    ("/difference", {"name": "shop-test"}, 400, "source and target are the same sync"),
    ("/difference", {"name": "shop", "credential": "stripe_nowhere"}, 400, "stripe_nowhere"),
    ("/difference", {"name": "shop"}, 400, "lacks a connection"),
    ("", {"name": "shop", "credential": f"stripe_{ACCOUNT}_test"}, 400, "a test mode key"),
]


@pytest.mark.parametrize(("part", "form", "status", "reason"), MISTAKES)
def test_each_mistake_is_named_and_nothing_is_changed(
    person: Person, part: str, form: dict[str, Any], status: int, reason: str
) -> None:
    answer = person.send(f"{PAGE}{part}", status=status, **form)
    assert reason in text_of(answer)
    assert SECRET not in answer
    assert [each.name for each in describe_syncs(warehouse_url())] == ["shop-test"]


def test_a_sync_that_does_not_exist_is_said(person: Person) -> None:
    page = person.get("/ui/syncs/nothing/replicate", status=404)
    assert "there is no such sync" in text_of(page)


def test_viewers_see_the_page_and_why_they_may_not_act(api: ApiServer) -> None:
    post(api, key_body(SPEC_KEY, name="Hidden name"))
    for role in ("viewer", "user"):
        page = Person(api, role).get(PAGE)
        assert "you lack the right to edit connections" in page
        buttons = re.findall(r"<button[^>]*>", page)
        assert buttons
        assert all(" disabled title=" in each for each in buttons)
        assert "Hidden name" not in page
