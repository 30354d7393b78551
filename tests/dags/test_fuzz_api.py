"""Whatever a caller sends, no route answers 500.

``STRIPE_SYNC_TEST_EXAMPLES`` is the number of random requests for each route.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies

from dags.api_server import ApiServer, fresh_mutations, http_scope
from dags.test_permissions import ROWS, as_it_was
from stripe_airflow.api.routing import MAX_BODY_BYTES
from stripe_sync.records.canonical_json import dumps, loads

EXAMPLES = int(os.environ.get("STRIPE_SYNC_TEST_EXAMPLES", "2"))
THOROUGH = "STRIPE_SYNC_TEST_EXAMPLES" in os.environ
NAMES = {"sync_id": "default", "consumer_id": "reader", "credential_id": "stripe_stored"}
ENDLESS = "/v1/events/live"
SHORTEST_WAIT = 5

_NUL, _HALF = r'"\u0000"', r'"a\ud800"'
ODD_VALUES = [_NUL, _HALF, "1" + "0" * 400, f'{{"a": [{_HALF}]}}']
if THOROUGH:
    ODD_VALUES += [
        f'["a", {_NUL}]',
        f"[{_HALF}]",
        f'{{"a": {_NUL}}}',
        f'{{"a": {_HALF}}}',
        f"{{{_HALF}: 1}}",
        f"{{{_NUL}: 1}}",
        "NaN",
        "1e400",
        "-1",
        str(2**63),
        "1" + "0" * 400,
        "1" + "0" * 5_000,
        "null",
        '""',
        "true",
        "[]",
        "{}",
        "[[[[[[[]]]]]]]",
        "[" * 90 + "]" * 90,
        '"' + "x" * 70_000 + '"',
        r'"\ud83d\ude00"',
        '"2026-13-45T99:99:99Z"',
        '"9999999999d"',
        '"' + "A" * 64 + '"',
    ]
ODD_BODIES = [
    *(value.encode() for value in ODD_VALUES),
    b"[]",
    b"",
    b"{",
    b"\xff\xfe",
    b'{"name": "\xff"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
]
ODD_TEXTS = ["%00", "%ED%A0%80", "1" + "0" * 400]
if THOROUGH:
    ODD_TEXTS += ["%FF", "%F0%9F%98%80", "x" * 5_000, "a%0Ab", "%", "-1", "nan"]
_MARK = "__odd__"


@pytest.fixture
def api(
    server: ApiServer, connections: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """The API, with a sync, a pull consumer and a credential."""
    as_it_was()
    with fresh_mutations():
        yield server
    as_it_was()
    server.forget_warehouse()


def send(api: ApiServer, method: str, path: str, body: bytes | None = None) -> None:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    answer = api.call("admin", method, path, content=body, headers=headers, follow_redirects=False)
    check(answer, method, path, body)


def check(answer: Any, *request: Any) -> None:
    shown = [str(each)[:300] for each in request]
    assert answer.status_code != 500, (shown, answer.text)
    assert "Traceback" not in answer.text, shown
    if answer.status_code >= 400 and "json" in answer.headers.get("content-type", ""):
        assert "error" in answer.json() or "detail" in answer.json() or "records" in answer.json()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a body has something that can be replaced."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))


def with_odd(body: Any, place: tuple[Any, ...], odd: str) -> bytes:
    """A body with an odd value at a place."""
    changed = copy.deepcopy(body)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = _MARK
    return dumps(changed).replace(f'"{_MARK}"'.encode(), odd.encode())


# More fields than the requests of the table of rights have.
MORE: dict[str, Any] = {
    "/v1/syncs": {
        "settings": {"cadence": "fixed"},
        "collection_ids": ["customer"],
        "external_id": "a",
        "metadata": {"a": "b"},
        "rate_limit": {"allowed_requests": 1, "interval": 1000},
        "max_age_days": 1,
        "sync_frequency": 500,
        "connection_id": "stripe_default",
        "connected_account": None,
    },
    "/v1/credentials": {"metadata": {"a": "b"}, "external_id": "a"},
    "/v1/consumers": {
        "stream": "events",
        "filters": {"sync_id": ["default"], "collection_id": ["customer"]},
        "deliver_policy": "all",
        "connection_id": "a",
        "settings": {"ack_wait_ms": 1000},
        "metadata": {"a": "b"},
        "paused": False,
    },
    "/v1/consumers/{consumer_id}": {
        "filters": {"collection_id": ["customer"]},
        "settings": {"ack_wait_ms": 1000},
        "status": "active",
        "connection_id": None,
    },
    "/v1/consumers/{consumer_id}/dead-letters/redeliver": {"seqs": [1]},
    "/v1/mutations/run": {
        "await_consumers": ["lake"],
        "data": [{"name": "a", "metadata": {"a": "b"}}],
    },
}


def test_odd_bodies(api: ApiServer) -> None:
    for row in ROWS:
        if not row.body:
            continue
        for body in ODD_BODIES:
            send(api, row.method, row.path, body)
        whole = dict(row.body) | MORE.get(row.route, {})
        for place in places(whole):
            for odd in ODD_VALUES:
                send(api, row.method, row.path, with_odd(whole, place, odd))


SETTINGS: dict[str, dict[str, Any]] = {
    "pull": {"ack_wait_ms": 1000, "max_deliver": 1, "max_ack_pending": 1},
    "webhook": {"url": "https://example.com", "allow_addresses": ["10.0.0.0/8"]},
    "postgres": {"schema": "a", "table": "b"},
    "kafka": {"topic": "stripe.{collection}", "partitions": 1},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_odd_settings_of_each_kind(api: ApiServer, kind: str) -> None:
    body = {"name": f"new-{kind}", "kind": kind, "settings": SETTINGS[kind]}
    if kind not in ("pull", "webhook"):
        body["connection_id"] = "a"
    for place in places(body):
        for odd in ODD_VALUES:
            send(api, "POST", "/v1/consumers", with_odd(body, place, odd))


def test_odd_paths(api: ApiServer) -> None:
    for row in ROWS:
        body = dumps(row.body) if row.body else None
        for name in re.findall(r"\{(\w+)(?::path)?\}", row.route):
            for odd in ODD_TEXTS:
                path = re.sub(rf"\{{{name}(:path)?\}}", odd, row.route)
                send(api, row.method, filled(path) + row.query, body)


def test_odd_queries(api: ApiServer) -> None:
    schema = loads(api.call("admin", "GET", "/openapi.json").content)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if path == ENDLESS:
                continue
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "query":
                    continue
                for odd in ODD_TEXTS:
                    query = f"{parameter['name']}={odd}"
                    if parameter["name"] == "wait_for_seq":
                        query += "&wait_for=1"
                    send(api, method.upper(), f"{filled(path)}?{query}")


def filled(path: str) -> str:
    """A path with the names of what is there."""
    names = NAMES | {"collection_id": "customer", "upstream_id": "cus_1", "mode": "live"}
    return re.sub(r"\{(\w+)(?::path)?\}", lambda found: names.get(found[1], "v1/customers"), path)


def test_long_bodies_are_refused(api: ApiServer) -> None:
    long = b"x" * (MAX_BODY_BYTES + 1)

    def in_chunks() -> Iterator[bytes]:
        yield long[:-1]
        yield long[-1:]

    headers = {"Content-Type": "application/json"}
    for row in ROWS:
        if row.body:
            for body in (long, in_chunks()):
                answer = api.call("admin", row.method, row.path, content=body, headers=headers)
                assert answer.status_code == 413, (row.route, answer.text)
                assert answer.json()["error"]["code"] == "body_too_long"
    limit = b'{"a": "%s"}' % (b"x" * (MAX_BODY_BYTES - 9))
    assert len(limit) == MAX_BODY_BYTES
    send(api, "POST", "/v1/consumers", limit)


@pytest.mark.parametrize("says_so", [True, False])
def test_of_a_hundred_megabytes_no_more_than_two_are_read(api: ApiServer, says_so: bool) -> None:
    chunk, read, sent = b"x" * (1 << 20), 0, []

    async def receive() -> Any:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": chunk, "more_body": read < 100}

    async def send_answer(message: Any) -> None:
        sent.append(message)

    length = {"Content-Length": str(100 << 20)} if says_so else {}
    scope = http_scope("POST", "/stripe/v1/consumers", api.headers("admin") | length)
    assert api.client.portal is not None
    api.client.portal.call(api.app, scope, receive, send_answer)
    assert sent[0]["status"] == 413
    assert read <= (0 if says_so else 2)


def test_random_requests(api: ApiServer) -> None:
    """Requests that schemathesis makes of the description of the API."""
    document = loads(api.call("admin", "GET", "/openapi.json").content)
    document["paths"].pop(ENDLESS)
    schema = schemathesis.openapi.from_dict(document)
    headers = api.headers("admin")
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=not THOROUGH,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(), real=strategies.booleans())
        def ask(case: Any, real: bool) -> None:
            if real:
                case.path_parameters = {
                    name: NAMES.get(name, value)
                    for name, value in (case.path_parameters or {}).items()
                }
            if "wait_for" in str(case.query):  # or wait_for_seq, whose default is long
                case.query["wait_for"] = SHORTEST_WAIT
            if isinstance(case.body, dict) and isinstance(case.body.get("wait_for"), int):
                case.body["wait_for"] = SHORTEST_WAIT
            request = case.as_transport_kwargs(base_url="http://testserver/stripe")
            request["headers"] = {**dict(request.get("headers") or {}), **headers}
            known = ("method", "url", "params", "json", "data", "headers", "cookies")
            options = {name: request[name] for name in known if request.get(name) is not None}
            answer = api.client.request(**options, follow_redirects=False)
            check(answer, options)

        ask()
