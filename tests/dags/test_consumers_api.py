"""Consumers over HTTP: create, list, change, replay, delete; secrets of webhooks."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dags.api_server import ApiServer
from integration.streams.conftest import Streams, make_streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync.warehouse import Warehouse

URL = "/v1/consumers"
HOOK = {"name": "hook", "kind": "webhook", "settings": {"url": "https://example.com/hook"}}
KAFKA = {"name": "topic", "kind": "kafka", "connection_id": "kafka"}
HOOK_ID = "stripe_consumer_hook"


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


def stored() -> dict[str, tuple[str, str]]:
    """Type and password of Airflow's connections."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        return {each.conn_id: (each.conn_type, each.password) for each in session.query(Connection)}


def call(api: ApiServer, method: str, path: str = "", body: Any = None, status: int = 200) -> Any:
    answer = api.call("op", method, f"{URL}{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def create(api: ApiServer, body: Any, status: int = 201) -> Any:
    return call(api, "POST", "", body, status)


def test_a_consumer_is_created_read_changed_and_deleted(api: ApiServer) -> None:
    body = {
        "name": "crm",
        "kind": "pull",
        "stream": "events",
        "filters": {"collection_id": "customer", "event_type": ["created"]},
        "settings": {"ack_wait_ms": 1000},
        "metadata": {"team": "a"},
    }
    created = create(api, body)
    assert created["secret"] is None
    found = call(api, "GET", "/crm")
    assert found == created["consumer"]
    assert (found["status"], found["stream"], found["delivered"]) == ("active", "events", 0)
    assert call(api, "GET", f"/{found['id']}") == found
    create(api, {"name": "aaa", "kind": "pull"})
    first = call(api, "GET", "?limit=1")
    assert ([each["name"] for each in first["consumers"]], first["has_more"]) == (["aaa"], True)
    rest = call(api, "GET", f"?after_cursor={first['cursor']}")
    assert ([each["name"] for each in rest["consumers"]], rest["has_more"]) == (["crm"], False)

    changed = call(
        api,
        "PATCH",
        "/crm",
        {"filters": {"collection_id": ["charge"]}, "metadata": {"team": "b"}, "status": "paused"},
    )
    assert (changed["filters"]["collection_id"], changed["status"]) == (["stripe:charge"], "paused")
    assert (changed["settings"], changed["metadata"]) == ({"ack_wait_ms": 1000}, {"team": "b"})
    assert call(api, "PATCH", "/crm", {"status": "active"})["status"] == "active"
    assert call(api, "DELETE", "/crm") == {"name": "crm", "deleted": True}
    for method in ("GET", "DELETE", "PATCH"):
        error = call(api, method, "/crm", {} if method == "PATCH" else None, 404)["error"]
        assert (error["code"], error["param"]) == ("resource_missing", "consumer_id")


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"kind": "pull"}, 400, "name"),
    ({"name": "A", "kind": "pull"}, 400, "name"),
    ({"name": "a\0", "kind": "webhook"}, 400, "name"),
    ({"name": "lake", "kind": "pull"}, 400, "name"),
    ({"name": "a", "kind": "rabbit"}, 400, "kind"),
    ({"name": "a", "kind": "pull", "kin": 1}, 400, "kin"),
    ({"name": "a", "kind": "pull", "stream": "logs"}, 400, "stream"),
    ({"name": "a", "kind": "pull", "filters": {"collection": "x"}}, 400, "filters.collection"),
    ({"name": "a", "kind": "pull", "filters": {"sync_id": ["\0"]}}, 400, "filters"),
    ({"name": "a", "kind": "pull", "filters": {"sync_id": ["nowhere"]}}, 404, "sync_id"),
    ({"name": "a", "kind": "pull", "deliver_policy": "soon"}, 400, "deliver_policy"),
    ({"name": "a", "kind": "pull", "settings": {"ack_wait_ms": 1}}, 400, "settings.ack_wait_ms"),
    ({"name": "a", "kind": "pull", "settings": {"ack_wait": 1}}, 400, "settings.ack_wait"),
    ({"name": "a", "kind": "pull", "metadata": {"a": "\0"}}, 400, "metadata"),
    ({"name": "a", "kind": "pull", "metadata": {"a": 10**30}}, 400, "metadata"),
    ({"name": "a", "kind": "pull", "connection_id": "x"}, 400, "connection_id"),
    ({"name": "a", "kind": "kafka"}, 400, "connection_id"),
    ({"name": "a", "kind": "kafka", "connection_id": "\0"}, 400, "connection_id"),
]


def test_what_is_wrong_is_named_and_leaves_nothing_behind(api: ApiServer) -> None:
    for body, status, param in WRONG:
        error = create(api, body, status)["error"]
        assert error["param"] == param, body
    create(api, {"name": "hook", "kind": "webhook", "settings": {"nothing": 1}}, 400)
    assert (call(api, "GET")["consumers"], stored()) == ([], {})
    create(api, {"name": "a", "kind": "pull"})
    assert create(api, {"name": "a", "kind": "pull"}, 409)["error"]["code"] == "consumer_conflict"
    for body, param in (({"status": "failing"}, "status"), ({"kind": "kafka"}, "kind")):
        assert call(api, "PATCH", "/a", body, 400)["error"]["param"] == param
    assert call(api, "POST", "/a/replay", {"from": "soon"}, 400)["error"]["param"] == "from"
    wrong_seqs = {"seqs": [2**63]}
    call(api, "POST", "/a/dead-letters/redeliver", wrong_seqs, 400)
    for cursor in ("", "x", "AQ"):
        error = call(api, "GET", f"/a/dead-letters?after_cursor={cursor}", None, 400)["error"]
        assert error["param"] == "after_cursor"
    call(api, "GET", "/%00", None, 400)


def test_a_webhook_gets_a_secret_that_is_answered_once(api: ApiServer) -> None:
    created = create(api, HOOK)
    secret = created["secret"]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert created["consumer"]["connection_id"] == HOOK_ID
    assert stored() == {HOOK_ID: ("http", secret)}
    assert secret not in str(call(api, "GET", "/hook"))

    # One that is there keeps its secret.
    create(api, HOOK, 409)
    assert stored()[HOOK_ID][1] == secret

    secrets = [secret]
    for _ in range(5):  # a repeated call leaves the receiver the one that it knows
        secrets.insert(0, call(api, "POST", "/hook/rotate-secret")["secret"])
        assert stored()[HOOK_ID][1] == " ".join(secrets[:5])
    assert len(set(secrets)) == 6

    call(api, "DELETE", "/hook")
    assert stored() == {}


def test_a_connection_of_somebody_else_stays_as_it_is(api: ApiServer) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id=HOOK_ID, conn_type="http", password="mine"))
    error = create(api, HOOK, 409)["error"]
    assert (error["code"], error["param"]) == ("connection_conflict", "connection_id")
    create(api, {**HOOK, "connection_id": HOOK_ID})
    assert call(api, "POST", "/hook/rotate-secret", None, 409)["error"]["code"] == (
        "connection_conflict"
    )
    call(api, "DELETE", "/hook")
    assert stored() == {HOOK_ID: ("http", "mine")}
    create(api, {"name": "a", "kind": "pull"})
    assert "has no secret" in call(api, "POST", "/a/rotate-secret", None, 409)["error"]["message"]


def test_of_two_that_create_a_webhook_at_once_one_gets_it(api: ApiServer) -> None:
    def try_it(_number: int) -> Any:
        return api.call("op", "POST", URL, json=HOOK)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(try_it, range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    [secret] = [each.json()["secret"] for each in answers if each.status_code == 201]
    assert stored() == {HOOK_ID: ("http", secret)}


def test_dead_letters_are_read_page_by_page_and_delivered_again(
    api: ApiServer, streams: Streams
) -> None:
    create(api, {"name": "crm", "kind": "pull", "stream": "events"})
    streams.customers(1, 2, 3)
    with psycopg.connect(streams.url) as connection:
        connection.execute(
            "INSERT INTO stripe_sync.consumer_items (sync_id, consumer, seq, collection_id,"
            " upstream_id, state, deliveries, last_error) SELECT sync_id, 'crm', seq,"
            " collection_id, upstream_id, 'dead', 3, 'no' FROM stripe_raw.events"
        )
    seen, cursor = [], ""
    while True:
        page = call(api, "GET", f"/crm/dead-letters?limit=2{cursor}")
        seen += [(each["seq"], each["upstream_id"], each["error"]) for each in page["dead_letters"]]
        cursor = f"&after_cursor={page['cursor']}"
        if not page["has_more"]:
            break
    assert seen == [(1, "cus_1", "no"), (2, "cus_2", "no"), (3, "cus_3", "no")]
    some = call(api, "POST", "/crm/dead-letters/redeliver", {"seqs": [1]})
    assert some == {"redelivered": 1}
    assert call(api, "POST", "/crm/dead-letters/redeliver") == {"redelivered": 2}
    assert call(api, "GET", "/crm")["dead"] == 0


def test_a_consumer_is_replayed(api: ApiServer, streams: Streams) -> None:
    streams.customers(1, 2)
    create(api, {"name": "crm", "kind": "pull", "deliver_policy": "new"})
    assert call(api, "GET", "/crm")["lag_items"] == 0
    assert call(api, "POST", "/crm/replay", {"from": "all"})["lag_items"] == 2


def test_the_documented_bodies_are_taken_as_printed(api: ApiServer) -> None:
    docs = Path(__file__).parents[2] / "docs" / "consumers"
    kinds = set()
    for page in sorted(docs.glob("*.md")):
        text = page.read_text("utf-8")
        for body in re.findall(r"/v1/consumers .*?-d '(\{.*?\})'", text, re.S):
            answer = api.call(
                "op", "POST", URL, content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 201, (page.name, answer.text)
            kinds.add(answer.json()["consumer"]["kind"])
            call(api, "DELETE", f"/{answer.json()['consumer']['name']}")
    assert kinds == {"pull", "webhook", "postgres", "kafka"}
