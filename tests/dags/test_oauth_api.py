"""Stripe Connect's OAuth over HTTP: an account becomes a credential and a sync."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from fastapi.testclient import TestClient

from dags.api_server import ApiServer
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sandbox.server import Running
from stripe_sync import ConfigurationError, backfill, create_sync
from stripe_sync.records.canonical_json import dumps, loads

NEVER = "anonymous"
ACCOUNT = "acct_1Somebody"
BROWSER = {"httpx", "httpcore.connection", "httpcore.http11"}
"""Loggers of the requests that stand for the browser's."""

BACK, OWN_PAGE = "https://app.example.com/done", "https://app.example.com/callback?x=1"
START, EXCHANGE = "/v1/credentials/start-auth", "/v1/credentials/exchange-code"


@pytest.fixture
def api(
    server: ApiServer, connections: None, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """The API, with the sandbox's first account as the platform."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    platform = {"conn_type": "stripe", "password": sandbox.api_key, "host": sandbox.base_url}
    extra = {"client_id": "ca_test_sandbox"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_PLATFORM", dumps({**platform, "extra": extra}).decode())
    monkeypatch.setenv("STRIPE_REDIRECT_URLS", f"{BACK}, {OWN_PAGE}")
    yield server
    with create_session() as session:
        session.query(Connection).delete()


def start(api: ApiServer, *, status: int = 201, role: str = "op", **body: Any) -> Any:
    answer = api.call(role, "POST", START, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def approve(started: Any, **query: str) -> str:
    """Where Stripe sends the browser after the owner has decided."""
    query = {"account": ACCOUNT, **query}
    url = str(httpx.URL(started["authorize_url"]).copy_merge_params(query))
    answer = httpx.get(url)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def follow(api: ApiServer, url: str, **headers: str) -> Any:
    return api.client.get(url, headers=headers, follow_redirects=False)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def exchanges(sandbox: Running) -> int:
    return int(sandbox.control.stats()["by_endpoint"].get("POST /oauth/token", 0))


def refused(answer: Any, status: int, param: str | None) -> str:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.get("param") == param
    return str(error["message"])


def test_an_account_is_connected_with_a_sync_and_all_is_handed_back(
    api: ApiServer, sandbox: Running
) -> None:
    own = {"tenant": 7}
    sync = {"name": "somebody", "collection_ids": ["customer"]}
    started = start(api, redirect_url=BACK, state=own, name="Somebody", metadata=own, sync=sync)
    asked = query_of(started["authorize_url"])
    assert (asked["scope"], asked["response_type"]) == ("read_write", "code")
    assert (asked["client_id"], asked["state"]) == ("ca_test_sandbox", started["state"])

    back = follow(api, approve(started))

    assert back.status_code == 303, back.text
    assert back.headers["location"].startswith(f"{BACK}?")
    query = query_of(back.headers["location"])
    assert loads(query.pop("state")) == own
    assert query == {"credential_id": f"stripe_{ACCOUNT}_test"}
    credential = api.call("op", "GET", f"/v1/credentials/stripe_{ACCOUNT}_test").json()
    assert (credential["account_id"], credential["properties"]["account"]) == (ACCOUNT, ACCOUNT)
    assert (credential["properties"]["name"], credential["metadata"]) == ("Somebody", own)
    assert credential["syncs"] == ["somebody"]
    connection = connections_for("somebody").credential
    assert (connection.api_key, connection.account) == (sandbox.api_key, ACCOUNT)

    sandbox.control.seed({"customer": 2}, account=ACCOUNT)
    backfill(connections_for("somebody"), "somebody", ["customer"])
    found = api.call("op", "GET", "/v1/syncs/somebody").json()
    assert found["account_id"] == ACCOUNT


@pytest.mark.parametrize("is_imported", [False, True])
def test_a_connected_account_has_the_platforms_key_wherever_that_is_replaced(
    api: ApiServer, sandbox: Running, monkeypatch: pytest.MonkeyPatch, is_imported: bool
) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    platform = {"conn_type": "stripe", "password": sandbox.api_key, "host": sandbox.base_url}
    credential_id = f"stripe_{ACCOUNT}_test"
    if is_imported:  # with a copy of a key
        sandbox.control.add_account(ACCOUNT)
        properties = {"kind": "stripe_key", "secret_key": sandbox.api_key, "account": ACCOUNT}
        imported = api.call("op", "POST", "/v1/credentials", json={"properties": properties})
        assert imported.json()["id"] == credential_id
    assert follow(api, approve(start(api))).status_code == 303

    for key, status in (("sk_test_rolled", "ok"), ("sk_live_rolled", "refused")):
        sandbox.control.add_key(key)
        rolled = dumps({**platform, "password": key}).decode()
        monkeypatch.setenv("AIRFLOW_CONN_STRIPE_PLATFORM", rolled)
        found = api.call("op", "GET", f"/v1/credentials/{credential_id}").json()
        assert found["health"]["status"] == status
        if status == "ok":
            hook = StripeHook(credential_id)
            assert (hook.get_conn().api_key, hook.get_conn().account) == (key, ACCOUNT)

    # Whoever edits the connection cannot have the platform's key sent elsewhere.
    with create_session() as session:
        session.query(Connection).filter_by(conn_id=credential_id).one().host = "http://127.0.0.1:1"
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_PLATFORM", dumps(platform).decode())
    assert StripeHook(credential_id).get_conn().api_base == sandbox.base_url

    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_PLATFORM")
    with pytest.raises(ConfigurationError, match="takes its key from connection 'stripe_platform'"):
        StripeHook(credential_id).get_conn()


def test_a_platform_is_kept_while_connected_accounts_have_its_key(
    api: ApiServer, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_PLATFORM")
    with create_session() as session:
        extra = dumps({"client_id": "ca_test_sandbox"}).decode()
        made = Connection("stripe_platform", "stripe", password=sandbox.api_key, extra=extra)
        made.host = sandbox.base_url
        session.add(made)
    follow(api, approve(start(api)))
    credential_id = f"stripe_{ACCOUNT}_test"

    kept = api.call("op", "DELETE", "/v1/credentials/stripe_platform")
    assert (kept.status_code, credential_id in kept.json()["error"]["message"]) == (409, True)

    own = {"properties": {"secret_key": sandbox.api_key}}
    assert api.call("op", "PATCH", f"/v1/credentials/{credential_id}", json=own).status_code == 200
    assert api.call("op", "DELETE", "/v1/credentials/stripe_platform").status_code == 200
    assert StripeHook(credential_id).get_conn().api_key == sandbox.api_key


def test_a_repeated_callback_has_the_same_answer_and_sends_the_code_once(
    api: ApiServer, sandbox: Running
) -> None:
    callback = approve(start(api, redirect_url=BACK))
    first, second = follow(api, callback), follow(api, callback)
    assert first.headers["location"] == second.headers["location"]
    assert exchanges(sandbox) == 1


def test_callbacks_at_once_have_the_same_answer_and_send_the_code_once(
    api: ApiServer, sandbox: Running
) -> None:
    sync = {"name": "somebody", "collection_ids": ["customer"]}
    callback = approve(start(api, redirect_url=BACK, sync=sync))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: follow(api, callback), range(4)))

    expected = f"{BACK}?credential_id=stripe_{ACCOUNT}_test"
    assert {each.headers["location"] for each in answers} == {expected}
    assert exchanges(sandbox) == 1


def test_a_state_is_good_for_one_code_and_a_code_for_one_state(
    api: ApiServer, sandbox: Running
) -> None:
    first, second = start(api), start(api)
    callback = approve(first)
    assert follow(api, callback).status_code == 303
    code = query_of(callback)["code"]

    again = follow(api, approve(first))
    assert "state was used before" in refused(again, 409, "state")
    body = {"code": code, "state": second["state"]}
    other = api.call("op", "POST", EXCHANGE, json=body)
    assert "used for another authorization" in refused(other, 409, "code")
    assert exchanges(sandbox) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1] + ("A" if s[-1] != "A" else "B"),
        lambda s: "x" + s,
        lambda _: "",
        lambda _: "é",
    ],
)
def test_a_state_that_was_changed_is_refused(api: ApiServer, sandbox: Running, change: Any) -> None:
    query = query_of(approve(start(api)))
    answer = api.client.get(
        "/stripe/oauth/callback", params={**query, "state": change(query["state"])}
    )
    assert "none of ours" in refused(answer, 400, "state")
    assert exchanges(sandbox) == 0


def test_a_state_expires_after_an_hour(api: ApiServer, sandbox: Running) -> None:
    callback = approve(start(api))
    with psycopg.connect(warehouse_url()) as connection:
        table = "stripe_sync.oauth_authorizations"
        lasts = connection.execute(f"SELECT expires_at - created_at FROM {table}").fetchone()
        connection.execute(f"UPDATE {table} SET expires_at = now()")
    assert lasts is not None
    assert 3599 < lasts[0].total_seconds() < 3601
    assert "expired" in refused(follow(api, callback), 409, "state")
    assert exchanges(sandbox) == 0


def test_a_state_belongs_to_who_started_it(api: ApiServer, sandbox: Running) -> None:
    started = start(api, role="op")
    callback = approve(started)
    other = follow(api, callback, Cookie=f"_token={api.token('admin')}")
    assert "another user" in refused(other, 400, "state")
    body = {"code": query_of(callback)["code"], "state": started["state"]}
    assert "another user" in refused(api.call("admin", "POST", EXCHANGE, json=body), 400, "state")
    assert exchanges(sandbox) == 0
    assert follow(api, callback, Cookie=f"_token={api.token('op')}").status_code == 303


def test_denied_consent_is_said_and_uses_the_state(api: ApiServer, sandbox: Running) -> None:
    started = start(api, redirect_url=BACK, state=[1])
    denied = follow(api, approve(started, deny="true"))
    assert query_of(denied.headers["location"]) == {"error": "access_denied", "state": "[1]"}
    again = follow(api, approve(started))
    assert query_of(again.headers["location"])["error"] == "sync_conflict"
    assert exchanges(sandbox) == 0

    page = follow(api, approve(start(api), deny="true")).headers["location"]
    assert "Access was denied" in follow(api, page).text


def test_a_lost_answer_is_not_sent_again(api: ApiServer, sandbox: Running) -> None:
    callback = approve(start(api))
    sandbox.control.fault("reset", endpoint="POST /oauth/token", next=1)
    lost = follow(api, callback)
    assert "never sent twice" in refused(lost, 504, None)
    assert "never sent twice" in refused(follow(api, callback), 409, "state")
    assert exchanges(sandbox) == 1


def test_a_code_that_stripe_refuses_is_explained(api: ApiServer, sandbox: Running) -> None:
    callback = approve(start(api))
    sandbox.control.clock(advance=301)
    assert "older than five minutes" in refused(follow(api, callback), 400, "code")


def test_an_exchange_that_was_stored_goes_on_without_the_code(
    api: ApiServer, sandbox: Running
) -> None:
    callback = approve(start(api))
    sandbox.control.fault("server_error", endpoint="GET /v1/account", status=500)
    assert follow(api, callback).status_code == 502
    sandbox.control.no_faults()
    assert follow(api, callback).status_code == 303
    assert exchanges(sandbox) == 1


def test_your_own_page_may_get_the_code(api: ApiServer) -> None:
    started = start(api, redirect_uri=OWN_PAGE, state={"a": None})
    callback = approve(started)
    assert callback.startswith(OWN_PAGE)
    body = {"code": query_of(callback)["code"], "state": started["state"]}
    done = api.call("op", "POST", EXCHANGE, json=body)
    assert done.json() == {
        "account_id": ACCOUNT,
        "credential_id": f"stripe_{ACCOUNT}_test",
        "sync": None,
        "test": True,
        "state": {"a": None},
    }
    assert api.call("op", "POST", EXCHANGE, json=body).json() == done.json()


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"redirect_url": "https://evil.example.com/"}, 400, "redirect_url"),
        ({"redirect_url": f"{BACK}/more"}, 400, "redirect_url"),
        ({"redirect_uri": BACK + "#"}, 400, "redirect_uri"),
        ({"platform_id": "stripe_nowhere"}, 400, "platform_id"),
        ({"platform_id": "stripe_default"}, 400, "platform_id"),
        ({"test": False}, 400, "test"),
        ({"state": "x" * 5000}, 400, "state"),
        ({"state": {"a": "\0"}}, 400, "state"),
        ({"name": ""}, 400, "properties.name"),
        ({"metadata": {"a": "\0"}}, 400, "metadata"),
        ({"external_id": ""}, 400, "external_id"),
        ({"sync": {"name": "default"}}, 409, "sync.name"),
        ({"sync": {"name": "A"}}, 400, "sync.name"),
        ({"sync": {"name": "a", "credential_id": "b"}}, 400, "sync.credential_id"),
        ({"sync": {"name": "a", "test": True}}, 400, "sync.test"),
        ({"stat": 1}, 400, "stat"),
    ],
)
def test_mistakes_are_named_before_anybody_is_asked(
    api: ApiServer, body: Any, status: int, param: str
) -> None:
    create_sync(warehouse_url(), "default", livemode=False)
    assert start(api, status=status, **body)["error"]["param"] == param


def test_a_person_who_may_not_start_a_backfill_connects_no_sync_with_one(api: ApiServer) -> None:
    for role, status in ((NEVER, 401), ("viewer", 403), ("user", 403)):
        start(api, role=role, status=status)
        answer = api.call(role, "POST", EXCHANGE, json={"code": "ac_1", "state": "s"})
        assert answer.status_code == status


def written(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_key_and_no_code_is_written_anywhere_but_encrypted(
    api: ApiServer,
    sandbox: Running,
    lake_url: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    queries: list[bytes] = []

    async def recording(scope: Any, receive: Any, send: Any) -> None:
        """Read the query where Airflow's access log does: around the app, after the request."""
        await api.app(scope, receive, send)
        queries.append(scope["query_string"])

    imported = "sk_live_7eC39HqLyjWDarjtT1zdp7dc"
    sandbox.control.add_key(imported)
    body = {"properties": {"kind": "stripe_key", "secret_key": imported}}
    assert api.call("op", "POST", "/v1/credentials", json=body).status_code == 201
    sync = {"name": "somebody", "collection_ids": ["customer"]}
    callback = approve(start(api, sync=sync))
    code, state = query_of(callback)["code"], query_of(callback)["state"]
    browser = TestClient(recording)
    page = browser.get(callback, follow_redirects=False).headers["location"]
    changed = browser.get(callback.replace("state=", "state=x"))
    assert (changed.status_code, queries) == (400, [b"", b""])
    body = {"code": code, "state": state}
    assert api.call("op", "POST", EXCHANGE, json=body).status_code == 200
    sandbox.control.seed({"customer": 2}, account=ACCOUNT)
    backfill(connections_for("somebody"), "somebody", ["customer"])

    places = written(Path(lake_url)) | written(Path(os.environ["AIRFLOW_HOME"]))
    assert len(places) > 3
    with psycopg.connect(warehouse_url()) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname LIKE 'stripe%'"
        ).fetchall()
        for [table] in tables:
            rows = connection.execute(f"SELECT t::text FROM {table} AS t").fetchall()
            places[table] = "\n".join(row[0] for row in rows).encode()
    assert places["stripe_sync.oauth_authorizations"]
    logged = [each.getMessage() for each in caplog.records if each.name not in BROWSER]
    places["log"] = "\n".join((*logged, *capfd.readouterr())).encode()
    places["address"], places["answer"] = page.encode(), changed.content
    for name, content in places.items():
        for secret in (imported, sandbox.api_key, code, state.partition(".")[0]):
            assert secret.encode() not in content, name
