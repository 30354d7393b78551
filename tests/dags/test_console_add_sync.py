"""Adding a sync in the console: key, what it may read, collections; nothing shows a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from dags.api_server import ApiServer
from dags.console_person import Person, text_of
from dags.stored_keys import ACCOUNT, SECRET, SPEC_KEY, post, without_credentials
from dags.stored_keys import body as key_body
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sandbox.server import Running
from stripe_sync import backfill, create_sync, describe_syncs, get_sync, load_catalog
from stripe_sync.records.canonical_json import dumps

FEW = "rk_test_few00000000000000"
LIVE_FEW = "rk_live_few00000000000000"
MAY = ["rak_customer_read", "rak_event_read", "rak_customer_write"]
MARKUP = '<b onclick="x()">Größe & "Söhne"</b>'
EMPTY = {"account": "", "api_base": ""}
"""Fields that nobody has filled in: browsers send them, too."""

ROOT = "/stripe/ui"


@pytest.fixture
def api(server: ApiServer, connections: None, sandbox: Running) -> Iterator[ApiServer]:
    """The API without stored credentials and syncs; two restricted keys that may read customers."""
    sandbox.control.add_key(FEW, permissions=MAY)
    sandbox.control.add_key(LIVE_FEW, permissions=MAY)
    with without_credentials(server, sandbox) as found:
        yield found
    server.forget_warehouse()


@pytest.fixture
def person(api: ApiServer) -> Person:
    return Person(api)


def ticked(html: str) -> dict[str, bool]:
    """Whether each collection of the last step is ticked."""
    boxes = re.findall(r'<input type="checkbox" name="collections" value="([^"]+)"([^>]*)>', html)
    return {name: " checked" in rest for name, rest in boxes}


def row_of(html: str, collection: str) -> str:
    [row] = [
        row for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if f">{collection}<" in row
    ]
    return text_of(row)


def test_the_whole_road_with_a_restricted_key(
    person: Person, api: ApiServer, sandbox: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sandbox.control.seed({"customer": 2})
    first = person.get("/ui/add-sync")
    assert 'type="password"' in first
    assert 'autocomplete="off"' in first

    second = person.go("/ui/add-sync/key", secret_key=LIVE_FEW, name="Große Söhne GmbH", **EMPTY)
    assert second == f"/ui/add-sync/access?credential=stripe_{ACCOUNT}_live"
    assert f'hx-post="{ROOT}/add-sync/access?credential' in person.get(second)
    table = person.send(second)
    number = len(load_catalog())
    assert f"{number} collections, checked" in text_of(table)
    assert re.search(r"Reads \d+ of \d+ collections", text_of(table))
    assert row_of(table, "customer") == "Customer customer yes yes"
    assert row_of(table, "payout").startswith("Payout payout no no payout_read")
    assert "payout_read" in text_of(table).partition("collections, checked")[0]
    assert 'href="/stripe/new-key/live" data-leaves' in table

    third = second.replace("/access", "/collections")
    form = person.get(third)
    assert 'value="groe-sohne-gmbh"' in form
    boxes = ticked(form)
    assert len(boxes) == number
    assert (boxes["stripe:customer"], boxes["stripe:payout"]) == (True, False)
    assert "not permitted: the key lacks payout_read" in text_of(form)

    chosen = [name for name, is_ticked in boxes.items() if is_ticked]
    done = person.go(
        "/ui/add-sync",
        credential=f"stripe_{ACCOUNT}_live",
        name="shop",
        collections=chosen,
        history="recent",
        days="30",
        backfill="on",
    )

    assert done == "/ui/syncs/shop"
    sync = get_sync(warehouse_url(), "shop")
    assert (sync.livemode, sync.conn_id) == (True, f"stripe_{ACCOUNT}_live")
    assert sync.settings == {"max_age_days": 30}
    assert set(chosen) <= set(sync.collection_ids or ())
    assert "stripe:payout" not in (sync.collection_ids or ())
    runs = api.client.get("/api/v2/dags/stripe_backfill/dagRuns", headers=api.headers("op")).json()
    first = f"first__shop__{sync.created_at.isoformat()}"
    assert [each["conf"]["sync"] for each in runs["dag_runs"] if each["dag_run_id"] == first]
    assert connections_for("shop").credential.api_key == LIVE_FEW
    seen = "\n".join((*person.seen, *(each.getMessage() for each in caplog.records)))
    assert LIVE_FEW not in seen


REFUSALS = [
    ("sk_test_wrong", True, 422, "does not accept the API key"),
    ("sk_test_expired", True, 422, "expired"),
    ("pk_test_123", True, 400, "a publishable key, which is for browsers"),
    ("whsec_123", True, 400, "the signing secret of a webhook endpoint"),
    (f" {SECRET}\n", True, 400, "blanks or line breaks before or after"),
    ("hello", True, 400, "must be a secret or restricted key"),
    (SPEC_KEY, True, 400, "this is a live mode key, and Test mode is ticked"),
    (SECRET, False, 400, "this is a test mode key, and Test mode is not ticked"),
]


@pytest.mark.parametrize(("key", "test", "status", "reason"), REFUSALS)
def test_a_key_that_cannot_be_right_is_refused_plainly_and_not_stored(  # noqa: PLR0917 - a row
    person: Person, api: ApiServer, sandbox: Running, key: str, test: bool, status: int, reason: str
) -> None:
    sandbox.control.add_key("sk_test_expired", trouble="expired")
    form = {"secret_key": key, "name": "", **EMPTY, **({"test": "on"} if test else {})}

    answer = person.send("/ui/add-sync/key", status=status, **form)

    assert reason in text_of(answer)
    assert 'role="alert"' in answer
    assert "<html" not in answer
    assert key.strip() == "hello" or key.strip() not in "".join(person.seen)
    assert api.call("op", "GET", "/v1/credentials").json()["credentials"] == []


def test_a_key_that_was_stored_is_found_in_the_first_step(person: Person, api: ApiServer) -> None:
    person.go("/ui/add-sync/key", secret_key=SECRET, test="on", name=MARKUP)
    live = post(api, key_body(SPEC_KEY))
    create_sync(warehouse_url(), "eu", livemode=True, connection_id=live["id"])

    page = person.get("/ui/add-sync")

    ids = re.findall(r'name="credential" value="([^"]+)"', page)
    assert ids == [f"stripe_{ACCOUNT}_test", live["id"]]  # a sync of the first is still to come
    assert f"{MARKUP} test mode {ACCOUNT} · no sync uses it yet" in text_of(page)
    assert "<b onclick" not in page
    assert "used by eu" in text_of(page)
    assert "4eC39HqLyjWDarjtT1zdp7dc" not in page
    shown = person.get(f"/ui/add-sync/access?credential={ids[0]}")
    assert "<b onclick" not in shown
    assert MARKUP in text_of(shown)


def test_a_key_that_syncs_use_is_replaced_only_after_a_question(
    person: Person, api: ApiServer
) -> None:
    stored = post(api, key_body(SECRET))
    create_sync(warehouse_url(), "eu", livemode=False, connection_id=stored["id"])
    form = {"secret_key": FEW, "test": "on"}

    asked = person.send("/ui/add-sync/key", status=409, **form)

    assert "the syncs eu use it" in text_of(asked)
    assert '<button name="replace" value="on">' in asked
    assert connections_for("eu").credential.api_key == SECRET
    person.go("/ui/add-sync/key", secret_key=SECRET, test="on")  # the same one: no question
    person.go("/ui/add-sync/key", **form, replace="on")
    assert connections_for("eu").credential.api_key == FEW


def test_what_the_key_lacks_can_be_added_and_checked_again(
    person: Person, sandbox: Running
) -> None:
    path = person.go("/ui/add-sync/key", secret_key=LIVE_FEW)
    assert "Payout payout no" in row_of(person.send(path), "payout")
    sandbox.control.add_key(LIVE_FEW, permissions=[*MAY, "rak_payout_read"])
    asked = sandbox.control.stats()["by_endpoint"]

    # The page is loaded again: Stripe is not asked again.
    assert "Payout payout no" in row_of(person.get(path), "payout")
    assert sandbox.control.stats()["by_endpoint"] == asked
    assert "Payout payout yes" in row_of(person.send(f"{path}&again=true"), "payout")


def test_a_key_that_was_revoked_meanwhile_is_said_and_leads_nowhere(
    person: Person, sandbox: Running
) -> None:
    path = person.go("/ui/add-sync/key", secret_key=LIVE_FEW)
    sandbox.control.remove_key(LIVE_FEW)
    for step in ("access", "collections"):
        refused = person.send(path.replace("access", step), status=422)
        assert "does not accept the API key" in text_of(refused)


def test_a_key_on_a_connected_account_is_checked_there_and_so_is_the_sync(
    person: Person, api: ApiServer, sandbox: Running
) -> None:
    sandbox.control.add_account("acct_1Other")
    stored = post(api, key_body(SPEC_KEY))
    query = f"credential={stored['id']}&account=acct_1Other"
    person.get(f"/ui/add-sync/access?{query}")
    assert "acct_1Other" in person.last.text
    person.send(f"/ui/add-sync/collections?{query}")
    assert 'name="account" value="acct_1Other"' in person.last.text
    person.go(
        *("/ui/add-sync",),
        credential=stored["id"],
        account="acct_1Other",
        name="other",
        collections=["stripe:customer"],
    )
    assert get_sync(warehouse_url(), "other").connected_account == "acct_1Other"
    nobody = f"credential={stored['id']}&account=acct_nobody"
    assert "acct_nobody" in text_of(person.send(f"/ui/add-sync/access?{nobody}", status=422))


def test_a_connection_of_another_source_can_be_used(
    person: Person, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"conn_type": "stripe", "password": LIVE_FEW, "host": sandbox.base_url}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_VAULT", dumps(fields).decode())
    assert "yes" in row_of(person.send("/ui/add-sync/access?credential=stripe_vault"), "customer")
    person.go("/ui/add-sync", credential="stripe_vault", name="eu", collections=["stripe:customer"])
    assert get_sync(warehouse_url(), "eu").conn_id == "stripe_vault"
    for other in ("stripe_warehouse", "stripe_nowhere"):
        gone = person.get(f"/ui/add-sync/access?credential={other}", status=404)
        assert "there is no such credential" in text_of(gone)


def test_all_collections_ticked_are_all_and_all_history_is_no_setting(
    person: Person, api: ApiServer
) -> None:
    stored = post(api, key_body())
    every = [*load_catalog()]
    form = {"credential": stored["id"], "collections": every, "history": "all", "days": "3"}
    person.go("/ui/add-sync", name="eu", **form)
    sync = get_sync(warehouse_url(), "eu")
    assert (sync.collection_ids, sync.settings, sync.livemode) == (None, {}, False)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"collections": []}, 400, "choose at least one collection"),
        ({"collections": ["stripe:<b>nothing</b>"]}, 400, "there is no collection"),
        ({"name": "Shop"}, 400, "the name of a sync has lower-case letters"),
        ({"name": "warehouse"}, 400, "another type of connection"),
        ({"name": "taken"}, 409, "taken"),
        ({"history": "recent"}, 400, "the number of days is a whole number"),
        ({"history": "recent", "days": "-3"}, 400, "the number of days is a whole number"),
        ({"history": "recent", "days": "9" * 40}, 400, "the number of days is a whole number"),
        ({"credential": "stripe_nowhere"}, 400, "there is no such connection"),
    ],
)
def test_each_mistake_of_the_last_step_is_named_and_no_sync_is_left(
    person: Person, api: ApiServer, change: dict[str, Any], status: int, reason: str
) -> None:
    stored = post(api, key_body())
    create_sync(warehouse_url(), "taken", livemode=False)
    form = {"credential": stored["id"], "name": "eu", "collections": ["stripe:customer"]}

    answer = person.send("/ui/add-sync", status=status, **{**form, "backfill": "on", **change})

    assert reason in text_of(answer)
    assert "<b>" not in answer
    assert [each.name for each in describe_syncs(warehouse_url())] == ["taken"]


def test_of_two_who_add_the_same_name_at_once_one_is_refused(api: ApiServer) -> None:
    stored = post(api, key_body())
    form = {"credential": stored["id"], "name": "eu", "collections": ["stripe:customer"]}
    with ThreadPoolExecutor(4) as threads:
        answers = list(
            threads.map(lambda _: api.call("op", "POST", "/ui/add-sync", data=form), range(4))
        )
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    assert [each.name for each in describe_syncs(warehouse_url())] == ["eu"]


def test_the_suggested_name_is_free_and_another_sync_of_the_account_is_named(
    person: Person, api: ApiServer, sandbox: Running
) -> None:
    sandbox.control.seed({"customer": 1})
    stored = post(api, key_body(SPEC_KEY, name="Shop"))
    create_sync(warehouse_url(), "shop", livemode=True, connection_id=stored["id"])
    backfill(connections_for("shop"), "shop", ["customer"])  # learns the account
    form = person.send(f"/ui/add-sync/collections?credential={stored['id']}")
    assert 'value="shop-2"' in form
    assert "Sync shop stores this account in this mode already" in text_of(form)


def test_viewers_see_the_pages_and_why_they_may_not_act(api: ApiServer) -> None:
    stored = post(api, key_body(name="Hidden name"))
    for role in ("viewer", "user"):
        person = Person(api, role)
        for path in ("", "/access?credential=x", f"/collections?credential={stored['id']}"):
            page = person.get(f"/ui/add-sync{path}")
            assert "you lack the right to edit connections" in page
            buttons = re.findall(r"<button[^>]*>", page)
            assert buttons
            assert all(" disabled title=" in each for each in buttons)
            assert "Hidden name" not in page


def test_without_the_right_to_backfill_nothing_is_created_with_one(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"credential": "x", "name": "eu", "collections": ["stripe:customer"], "backfill": "on"}
    Person(api, "user").send("/ui/add-sync", status=403, **form)
    assert describe_syncs(warehouse_url()) == []


def test_an_account_is_connected_and_the_page_goes_on(
    person: Person, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = {"conn_type": "stripe", "password": sandbox.api_key, "host": sandbox.base_url}
    extra = {"client_id": "ca_test_sandbox"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_PLATFORM", dumps({**platform, "extra": extra}).decode())
    form = {"platform_id": "stripe_platform", "test": "on"}
    wrong = person.send("/ui/add-sync/connect", status=400, platform_id="stripe_platform")
    assert "the platform's key is of the other mode" in text_of(wrong)

    started = person.send("/ui/add-sync/connect", **form)
    [url] = re.findall(r'href="([^"]+)" data-leaves', started)
    [state] = re.findall(r'name="state" value="([^"]+)"', started)
    person.send("/ui/add-sync/connect/wait", status=204, state=state)

    approved = httpx.get(str(httpx.URL(unescape(url)).copy_merge_params({"account": "acct_1New"})))
    callback = urlsplit(approved.headers["location"])
    assert parse_qs(callback.query)["state"] == [state]
    back = person.api.client.get(f"{callback.path}?{callback.query}", follow_redirects=False)
    assert back.status_code == 303
    following = person.go("/ui/add-sync/connect/wait", state=state)
    assert following == "/ui/add-sync/access?credential=stripe_acct_1New_test"
    assert "acct_1New" in person.get(following)
    assert sandbox.api_key not in "".join(person.seen)
    assert "another user" in Person(person.api, "admin").send(
        "/ui/add-sync/connect/wait", status=400, state=state
    )


def test_an_owner_who_denies_is_said(
    person: Person, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = {"conn_type": "stripe", "password": sandbox.api_key, "host": sandbox.base_url}
    extra = {"client_id": "ca_test_sandbox"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_PLATFORM", dumps({**platform, "extra": extra}).decode())
    started = person.send("/ui/add-sync/connect", platform_id="stripe_platform", test="on")
    [url] = re.findall(r'href="([^"]+)" data-leaves', started)
    [state] = re.findall(r'name="state" value="([^"]+)"', started)
    denied = httpx.get(str(httpx.URL(unescape(url)).copy_merge_params({"deny": "true"})))
    callback = urlsplit(denied.headers["location"])
    person.api.client.get(f"{callback.path}?{callback.query}", follow_redirects=False)
    answer = person.send("/ui/add-sync/connect/wait", state=state)
    assert "the owner of the account has denied access" in text_of(answer)
    assert "every 2s" not in answer
