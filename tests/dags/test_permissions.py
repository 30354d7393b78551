"""Who may do what: each role, for each route of our API and for each DAG.

A new route or DAG fails a test until it has a row here. README's table is compared with ``MAY``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.routing import APIRoute

from dags.api_server import ROLES, ApiServer, fresh_mutations
from dags.test_dag_integrity import IDS
from stripe_airflow.api.app import create_app
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sandbox.state.sandbox_state import TEST_KEY
from stripe_sync import (
    SyncInfo,
    create_consumer,
    create_sync,
    delete_consumer,
    delete_sync,
    describe_consumers,
    describe_syncs,
    resume_sync,
)
from stripe_sync.records.canonical_json import dumps, loads

README = Path(__file__).parents[2] / "README.md"
ANONYMOUS = "anonymous"
CALLERS = (ANONYMOUS, *ROLES)

CREDENTIAL = "stripe_stored"
KEY = {"kind": "stripe_key", "secret_key": TEST_KEY}

PULL = {"name": "reader", "kind": "pull"}
TOKENS = {"ack_tokens": ["none"]}

CUSTOMER = {"sync_id": "default", "collection_id": "stripe:customer", "data": [{"name": "a"}]}

NOTHING, DOCS, READ, TRIGGER, MANAGE = "nothing", "docs", "read", "trigger", "connections"
MAY = {
    NOTHING: set(CALLERS),
    DOCS: set(ROLES),
    READ: set(ROLES),
    TRIGGER: {"user", "op", "admin"},
    MANAGE: {"op", "admin"},
}
"""Roles of Airflow's SimpleAuthManager that have a right."""


class Row(NamedTuple):
    """A route, the right that it needs, and a request that succeeds with it."""

    method: str
    route: str
    right: str
    status: int
    body: Any = None
    sync_id: str = "default"
    query: str = ""

    @property
    def path(self) -> str:
        route = self.route.replace("{path:path}", "v1/customers/cus_1")
        route = route.replace("{upstream_id:path}", "cus_1")
        route = route.format(
            sync_id=self.sync_id,
            mode="live",
            consumer_id="reader",
            credential_id=CREDENTIAL,
            kind="create",
            collection_id="customer",
        )
        return route + self.query


ROWS = [
    Row("GET", "/v1/health", NOTHING, 200),
    Row("GET", "/openapi.json", READ, 200),
    Row("GET", "/data-docs", DOCS, 404),  # nothing was built yet
    Row("GET", "/new-key/{mode}", DOCS, 307),
    Row("GET", "/v1/syncs", READ, 200),
    Row("POST", "/v1/syncs", MANAGE, 201, {"name": "eu", "test": True, "backfill": False}),
    Row("GET", "/v1/syncs/{sync_id}", READ, 200),
    Row("PATCH", "/v1/syncs/{sync_id}", MANAGE, 200, {"external_id": "tenant-1"}),
    Row("DELETE", "/v1/syncs/{sync_id}", MANAGE, 200),
    Row("GET", "/v1/syncs/{sync_id}/status", READ, 200),
    Row("GET", "/v1/records", READ, 200),
    Row("GET", "/v1/records/{collection_id}/{upstream_id:path}", READ, 404),
    Row("GET", "/v1/events", READ, 200),
    # Refused after the rights were checked: a stream would not end.
    Row("GET", "/v1/events/live", READ, 400, query="?after_cursor=none"),
    Row("POST", "/v1/syncs/{sync_id}/pause", MANAGE, 200),
    Row("POST", "/v1/syncs/{sync_id}/resume", MANAGE, 200),
    Row("POST", "/v1/syncs/{sync_id}/backfill", TRIGGER, 201),
    Row("POST", "/v1/syncs/{sync_id}/reconcile", TRIGGER, 201, {"everything": True}),
    Row("GET", "/v1/syncs/{sync_id}/connected-accounts", MANAGE, 200),
    Row("POST", "/v1/syncs/{sync_id}/connected-accounts", MANAGE, 201, {"accounts": ["all"]}),
    Row("GET", "/v1/credentials", MANAGE, 200),
    Row("POST", "/v1/credentials", MANAGE, 201, {"properties": KEY}),
    Row("GET", "/v1/credentials/{credential_id}", MANAGE, 200),
    Row("PATCH", "/v1/credentials/{credential_id}", MANAGE, 200, {"properties": {"name": "a"}}),
    Row("DELETE", "/v1/credentials/{credential_id}", MANAGE, 200),
    Row("GET", "/oauth/callback", NOTHING, 400),
    Row("GET", "/oauth/done", NOTHING, 200),
    # Refused after the rights were checked.
    Row("POST", "/v1/credentials/start-auth", MANAGE, 400, {"platform_id": "nowhere"}),
    Row("POST", "/v1/credentials/exchange-code", MANAGE, 400, {"code": "c", "state": "s"}),
    Row("POST", "/v1/mutations/run", TRIGGER, 200, CUSTOMER | {"kind": "create"}),
    Row("POST", "/v1/mutations/run/{kind}", TRIGGER, 200, CUSTOMER),
    # Answered by Stripe: there is no such customer.
    Row("GET", "/v1/proxy/sync/{sync_id}/{path:path}", TRIGGER, 404),
    Row("POST", "/v1/proxy/sync/{sync_id}/{path:path}", TRIGGER, 404),
    Row("DELETE", "/v1/proxy/sync/{sync_id}/{path:path}", TRIGGER, 404),
    Row("GET", "/v1/consumers", READ, 200),
    Row("POST", "/v1/consumers", MANAGE, 201, PULL | {"name": "other"}),
    Row("GET", "/v1/consumers/{consumer_id}", READ, 200),
    Row("PATCH", "/v1/consumers/{consumer_id}", MANAGE, 200, {"metadata": {"a": "b"}}),
    Row("DELETE", "/v1/consumers/{consumer_id}", MANAGE, 200),
    Row("POST", "/v1/consumers/{consumer_id}/replay", MANAGE, 200, {"from": "all"}),
    # Refused after the rights were checked: it is no webhook.
    Row("POST", "/v1/consumers/{consumer_id}/rotate-secret", MANAGE, 409),
    Row("GET", "/v1/consumers/{consumer_id}/dead-letters", READ, 200),
    Row("POST", "/v1/consumers/{consumer_id}/dead-letters/redeliver", MANAGE, 200),
    *(
        Row("POST", f"/v1/{consumers}/{{consumer_id}}/{call}", TRIGGER, 200, body)
        for consumers in ("consumers", "http-consumers")
        for call, body in (("next", {}), ("ack", TOKENS), ("nack", TOKENS))
    ),
    # Refused after the rights were checked: the sync to copy is not there.
    Row("POST", "/v1/syncs/{sync_id}/replicate", MANAGE, 404, {"name": "production"}, "nowhere"),
]

ON_A_DAG = [
    ("GET", "", None, READ),
    ("GET", "/dagRuns", None, READ),
    ("POST", "/dagRuns", {"logical_date": None}, TRIGGER),
    ("PATCH", "", {"is_paused": True}, TRIGGER),
]


@pytest.fixture
def api(
    server: ApiServer, connections: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """The API, a warehouse, and the live mode key of a target to replicate to."""
    live = loads(os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"]) | {"password": "sk_live_sandbox"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_PRODUCTION", dumps(live).decode())
    with fresh_mutations():
        yield server
    server.forget_warehouse()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.route}")
def test_a_route_is_for_those_with_the_right(api: ApiServer, row: Row) -> None:
    before: list[SyncInfo] = []
    for caller in CALLERS:
        before = before or as_it_was()
        answer = api.call(caller, row.method, row.path, json=row.body, follow_redirects=False)
        if caller in MAY[row.right]:
            assert answer.status_code == row.status, (caller, answer.text)
            before = before if row.method == "GET" else []
            continue
        assert answer.status_code == (401 if caller == ANONYMOUS else 403), caller
        assert describe_syncs(warehouse_url()) == before
        if row.right == DOCS:
            continue  # pages for people, with Airflow's own errors
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert error["code"] == ("not_authenticated" if caller == ANONYMOUS else "not_permitted")
        assert caller == ANONYMOUS or "you lack the right to" in error["message"]


def as_it_was() -> list[SyncInfo]:
    """The syncs, after what the caller before has done was undone.

    There are an active sync ``default`` and a credential that no sync uses.
    """
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(Connection).delete()
        session.add(Connection(conn_id=CREDENTIAL, conn_type="stripe", password="sk_test_2"))
    url = warehouse_url()
    names = [sync.name for sync in describe_syncs(url)]
    if "default" not in names:
        create_sync(url, "default", livemode=False)
    resume_sync(url, "default")
    for name in set(names) - {"default"}:
        delete_sync(url, name, keep_data=True)
    for consumer in describe_consumers(url):
        delete_consumer(url, consumer.name)
    create_consumer(url, **PULL)
    return describe_syncs(url)


CONSOLE = "/ui"


def test_every_route_has_a_row() -> None:
    routes = {
        (method, route.path)
        for route in create_app().routes
        for method in (route.methods if isinstance(route, APIRoute) else ("ANY",))
        if not getattr(route, "path", "").startswith(CONSOLE)  # see test_console.py
    }
    assert routes == {(row.method, row.route) for row in ROWS}


@pytest.mark.parametrize("dag_id", IDS)
def test_a_dag_is_for_those_with_the_right(server: ApiServer, dag_id: str) -> None:
    for caller, (method, path, body, right) in product(CALLERS, ON_A_DAG):
        answer = server.client.request(
            method, f"/api/v2/dags/{dag_id}{path}", headers=server.headers(caller), json=body
        )
        refused = 401 if caller == ANONYMOUS else 403
        expected = 200 if caller in MAY[right] else refused
        assert answer.status_code == expected, (caller, method, path, answer.text)


def test_the_table_of_readme_is_this_one() -> None:
    text = README.read_text()
    [table] = re.findall(r"^\| right in Airflow \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.M)
    documented = {}
    for line in table.splitlines():
        right, _, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        documented[right] = {
            caller for caller, cell in zip(CALLERS, cells, strict=True) if cell == "yes"
        }
    names = {"none": NOTHING, "read DAGs": READ, "trigger DAGs": TRIGGER}
    names |= {"see Airflow's docs": DOCS, "edit connections": MANAGE}
    assert {names[right]: callers for right, callers in documented.items()} == MAY
    for row in ROWS:
        if row.route.startswith(("/v1/", "/oauth/")):
            path = re.sub(r"\{\w+(:path)?\}", "{id}", row.route.replace("{path:path}", "v1/…"))
            assert f"/stripe{path}" in text or f"…/{path.rpartition('/')[2]}" in text, row.route
