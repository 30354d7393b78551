"""Credentials over HTTP: import, list, change, delete; what is stored, and what never leaves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dags.api_server import ApiServer
from dags.stored_keys import ACCOUNT, SECRET, SPEC_KEY, URL, body, post, without_credentials
from integration.sync.poll.accounts import wait_until
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sandbox.server import Running
from stripe_sync import backfill, create_sync, poll

SPEC = """{
    "properties": {
      "kind": "stripe_key",
      "secret_key": "sk_live_7eC39HqLyjWDarjtT1zdp7dc",
      "test": false,
      "name": "Chaom Spice"
    },
    "metadata": { "custom_property": 42 }
  }"""
OTHER = "acct_1Other"


@pytest.fixture
def api(server: ApiServer, connections: None, sandbox: Running) -> Iterator[ApiServer]:
    """The API without stored credentials; its default address is the sandbox's."""
    with without_credentials(server, sandbox) as found:
        yield found


def test_the_body_of_the_specification_is_accepted_as_printed(api: ApiServer) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.call("op", "POST", URL, content=SPEC, headers=headers)

    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["properties"]["secret_key"] == "sk_live_***"
    assert (found["properties"]["name"], found["properties"]["test"]) == ("Chaom Spice", False)
    assert (found["account_id"], found["metadata"]) == (ACCOUNT, {"custom_property": 42})
    assert (found["health"]["status"], found["overridden_by"]) == ("ok", None)
    assert SPEC_KEY not in answer.text
    assert StripeHook(found["id"]).get_conn().api_key == SPEC_KEY


def test_a_key_is_for_the_same_server_as_the_default_sync(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``make up`` has it while the sandbox runs: the sync ``sandbox``."""
    monkeypatch.setenv("STRIPE_SYNC", "sandbox")
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_SANDBOX", os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"])
    monkeypatch.delenv("AIRFLOW_CONN_STRIPE_DEFAULT")

    assert post(api, body())["account_id"] == ACCOUNT


def test_the_key_is_stored_encrypted_and_nothing_else_has_it(api: ApiServer) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    found = post(api, {**body(name="Shop"), "metadata": {"team": "a"}, "external_id": "t-1"})
    with create_session() as session:
        [row] = session.query(Connection)
        assert (row.conn_id, row.conn_type, row.is_encrypted) == (found["id"], "stripe", True)
        assert row.is_extra_encrypted
        assert (row.description, row.port) == ("Shop", None)
        assert re.fullmatch(r"[\w.-]+", row.conn_id)
        assert row.extra_dejson["mode"] == "test"
        for column in Connection.__table__.columns:
            stored = getattr(
                row, {"password": "_password", "extra": "_extra"}.get(column.name, column.name)
            )
            assert SECRET not in str(stored)
            assert column.name not in {"password", "extra"} or stored.startswith("gAAAA")


def test_a_key_is_not_stored_where_airflow_has_no_fernet_key(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection import Connection
    from airflow.models.crypto import get_fernet
    from airflow.utils.session import create_session

    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    get_fernet.cache_clear()
    try:
        refused = post(api, body(), status=409)["error"]
    finally:
        monkeypatch.undo()
        get_fernet.cache_clear()
    assert refused["code"] == "fernet_key_missing"
    assert "AIRFLOW__CORE__FERNET_KEY" in refused["message"]
    with create_session() as session:
        assert session.query(Connection).count() == 0


MISTAKES: list[tuple[Any, int, str, str | None]] = [
    ({}, 400, "parameter_missing", "properties"),
    ({"properties": SECRET}, 400, "parameter_invalid", "properties"),
    ({"properties": {}}, 400, "parameter_missing", "properties.kind"),
    (body() | {"metdata": {}}, 400, "parameter_unknown", "metdata"),
    (body(nmae="x"), 400, "parameter_unknown", "properties.nmae"),
    (body(kind="stripe_oauth"), 400, "parameter_invalid", "properties.kind"),
    ({"properties": {"kind": "stripe_key"}}, 400, "parameter_missing", "properties.secret_key"),
    (body(key=None), 400, "parameter_missing", "properties.secret_key"),  # type: ignore[arg-type]
    (body(key=""), 400, "parameter_invalid", "properties.secret_key"),
    (body(key=5), 400, "parameter_invalid", "properties.secret_key"),  # type: ignore[arg-type]
    (body(secret="sk_test_other"), 400, "parameter_invalid", "properties.secret"),
    (body(key=f" {SECRET}"), 400, "parameter_invalid", "properties.secret_key"),
    (body(key="pk_test_123"), 400, "parameter_invalid", "properties.secret_key"),
    (body(key="whsec_123"), 400, "parameter_invalid", "properties.secret_key"),
    (body(test=False), 400, "parameter_invalid", "properties.test"),
    (body(key=SPEC_KEY, test=True), 400, "parameter_invalid", "properties.test"),
    (body(test="perhaps"), 400, "parameter_invalid", "properties.test"),
    (body(name=""), 400, "parameter_invalid", "properties.name"),
    (body(name="x" * 256), 400, "parameter_invalid", "properties.name"),
    (body(name="a\0b"), 400, "parameter_invalid", "properties.name"),
    (body(name=["x"]), 400, "parameter_invalid", "properties.name"),
    (body(account=SECRET), 400, "parameter_invalid", "properties.account"),
    (body(api_base="ftp://x"), 400, "parameter_invalid", "properties.api_base"),
    (
        body(key=SPEC_KEY, api_base="http://example.com"),
        *(400, "parameter_invalid"),
        "properties.api_base",
    ),
    (body() | {"metadata": [1]}, 400, "parameter_invalid", "metadata"),
    (body() | {"metadata": {"a": "\0"}}, 400, "parameter_invalid", "metadata"),
    (body() | {"metadata": {"a": "x" * 20_000}}, 400, "parameter_invalid", "metadata"),
    (body() | {"external_id": ""}, 400, "parameter_invalid", "external_id"),
    (body() | {"external_id": "x" * 256}, 400, "parameter_invalid", "external_id"),
    (body(key="sk_test_wrong"), 422, "stripe_key_refused", "properties.secret_key"),
    (body(key="sk_test_expired"), 422, "stripe_key_refused", "properties.secret_key"),
    (body(key="sk_test_elsewhere"), 422, "stripe_key_refused", "properties.secret_key"),
    (body(account="acct_nobody"), 422, "stripe_account_disconnected", "properties.account"),
    (body(api_base="http://127.0.0.1:1"), 504, "stripe_unreachable", None),
]


@pytest.mark.parametrize(("content", "status", "code", "param"), MISTAKES)
def test_each_mistake_is_named_and_nothing_is_stored(  # noqa: PLR0917 - a row of the table
    api: ApiServer, sandbox: Running, content: Any, status: int, code: str, param: str | None
) -> None:
    sandbox.control.add_key("sk_test_expired", trouble="expired")
    sandbox.control.add_key("sk_test_elsewhere", trouble="address")

    answer = api.call("op", "POST", URL, json=content)

    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error.get("param")) == (code, param)
    assert error["message"]
    for secret in (SECRET, SPEC_KEY, "pk_test_123", "whsec_123", "sk_test_wrong"):
        assert secret not in answer.text
    assert api.call("op", "GET", URL).json()["credentials"] == []


def test_what_cannot_be_used_from_this_address_is_said(api: ApiServer, sandbox: Running) -> None:
    sandbox.control.add_key("sk_test_elsewhere", trouble="address")
    refused = post(api, body(key="sk_test_elsewhere"), status=422)["error"]
    assert "does not accept it from this IP address" in refused["message"]


def test_both_names_of_the_key_are_accepted(api: ApiServer) -> None:
    content = {"properties": {"kind": "stripe_key", "secret": SECRET}}
    assert post(api, content)["properties"]["test"] is True
    content["properties"]["secret_key"] = SECRET
    assert post(api, content, status=200)["account_id"] == ACCOUNT


def test_a_second_key_of_the_account_and_mode_replaces_the_first(
    api: ApiServer, sandbox: Running
) -> None:
    sandbox.control.add_account(OTHER)
    sandbox.control.add_key("sk_test_rolled")
    sandbox.control.add_key("sk_test_other", account=OTHER)
    first = post(api, {**body(name="Shop"), "metadata": {"a": 1, "b": 2}, "external_id": "t"})
    second = post(api, {**body("sk_test_rolled"), "metadata": {"b": None, "c": 3}}, status=200)
    live, other = post(api, body(SPEC_KEY)), post(api, body("sk_test_other"))

    assert second["id"] == first["id"]
    assert second["properties"]["name"] == "Shop"
    assert (second["metadata"], second["external_id"]) == ({"a": 1, "c": 3}, "t")
    assert StripeHook(first["id"]).get_conn().api_key == "sk_test_rolled"
    assert len({first["id"], live["id"], other["id"]}) == 3


@pytest.mark.parametrize("newer", [False, True])
def test_the_account_is_read_from_the_refusal_of_a_restricted_key(
    api: ApiServer, sandbox: Running, newer: bool
) -> None:
    sandbox.control.settings(newer_permission_errors=newer)
    sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read"])
    first = post(api, body())
    found = post(api, body("rk_test_few"), status=200)
    assert (found["id"], found["account_id"]) == (first["id"], ACCOUNT)
    assert found["health"]["status"] == "unknown"


def test_a_key_without_a_known_account_blocks_nothing(api: ApiServer, sandbox: Running) -> None:
    sandbox.control.fault("refuse", endpoint="GET /v1/account", status=403, message="No.")
    found = post(api, body())
    assert found["account_id"] is None
    assert "Nothing that the key may read names its account" in found["health"]["notes"][0]
    again = post(api, body(), status=200)
    assert again["id"] == found["id"]

    sandbox.control.no_faults()
    create_sync(warehouse_url(), "eu", livemode=False, connection_id=found["id"])
    backfill(connections_for("eu"), "eu", ["customer"])  # learns the account
    known = api.call("op", "GET", f"{URL}/{found['id']}").json()
    assert (known["account_id"], known["syncs"]) == (ACCOUNT, ["eu"])
    assert post(api, body(), status=200)["id"] == found["id"]


def test_a_check_names_what_the_key_may_read_and_write(api: ApiServer, sandbox: Running) -> None:
    few = "rk_live_few"  # live mode has the higher rate limit
    sandbox.control.add_key(few, permissions=["rak_customer_read", "rak_event_read"])
    found = post(api, body(few), path=f"{URL}?check=true")
    access = {each["collection_id"]: each for each in found["health"]["collections"]}
    assert (access["stripe:customer"]["read"], access["stripe:payout"]["read"]) == ("yes", "no")
    assert found["health"]["status"] == "limited"
    later = api.call("op", "GET", f"{URL}/{found['id']}").json()["health"]
    assert (later["status"], later["collections"]) == ("limited", None)
    assert any("payout_read" in note for note in later["notes"])


def change(api: ApiServer, found: Any, content: Any, *, status: int = 200) -> Any:
    answer = api.call("op", "PATCH", f"{URL}/{found['id']}", json=content)
    assert answer.status_code == status, answer.text
    assert SECRET not in answer.text
    return answer.json()


def test_a_patch_changes_what_it_names(api: ApiServer) -> None:
    found = post(api, {**body(name="Shop"), "metadata": {"a": 1, "b": 2}, "external_id": "t"})
    changed = change(
        api,
        found,
        {"properties": {"name": "Laden"}, "external_id": None, "metadata": {"a": None}},
    )
    assert changed["properties"]["name"] == "Laden"
    assert (changed["external_id"], changed["metadata"]) == (None, {"b": 2})
    assert StripeHook(found["id"]).get_conn().api_key == SECRET


@pytest.mark.parametrize(
    ("key", "status", "param"),
    [
        ("sk_test_rolled", 200, None),
        ("sk_test_other", 400, "properties.secret_key"),
        (SPEC_KEY, 400, "properties.secret_key"),
        ("sk_test_wrong", 422, "properties.secret_key"),
        ("pk_test_1", 400, "properties.secret_key"),
    ],
)
def test_a_new_key_is_accepted_for_the_same_account_and_mode_only(
    api: ApiServer, sandbox: Running, key: str, status: int, param: str | None
) -> None:
    sandbox.control.add_account(OTHER)
    sandbox.control.add_key("sk_test_other", account=OTHER)
    sandbox.control.add_key("sk_test_rolled")
    found = post(api, body())
    answer = change(api, found, {"properties": {"secret_key": key}}, status=status)
    assert answer.get("error", {}).get("param") == param
    kept = StripeHook(found["id"]).get_conn().api_key
    assert kept == (key if status == 200 else SECRET)


@pytest.mark.parametrize("slow", ["a new key", "a check"])
def test_two_people_at_once_undo_nothing_of_each_other(
    api: ApiServer, sandbox: Running, slow: str
) -> None:
    found = post(api, {**body(name="Shop"), "metadata": {"a": 1}})
    sandbox.control.add_key("sk_test_rolled")
    sandbox.control.reset_stats()
    path, endpoint = f"{URL}/{found['id']}", "GET /v1/account"
    sandbox.control.fault("slow", endpoint=endpoint, seconds=2.0, next=1)
    first, second = {"name": "Laden"}, {"secret_key": "sk_test_rolled"}
    if slow == "a new key":
        first, second = second, first
    else:
        path += "?check=true"

    def asked() -> bool:
        return bool(sandbox.control.stats()["by_endpoint"].get(endpoint))

    with ThreadPoolExecutor(1) as thread:
        slowly = thread.submit(api.call, "op", "PATCH", path, json={"properties": first})
        wait_until(asked)
        change(api, found, {"properties": second, "metadata": {"b": 2}})
        assert slowly.result().status_code == 200

    assert StripeHook(found["id"]).get_conn().api_key == "sk_test_rolled"
    now = api.call("op", "GET", f"{URL}/{found['id']}").json()
    assert (now["properties"]["name"], now["metadata"]) == ("Laden", {"a": 1, "b": 2})


@pytest.mark.parametrize("way", ["PATCH", "POST"])
def test_connected_accounts_follow_the_new_key_of_their_platform(
    api: ApiServer, sandbox: Running, way: str
) -> None:
    for number in (1, 2):
        sandbox.control.add_account(f"acct_{number}")
    sandbox.control.add_key("sk_test_rolled")
    sandbox.control.add_key("sk_test_another")
    platform = post(api, body())
    connected, another = (
        post(api, body(key, account=account))
        for key, account in ((SECRET, "acct_1"), ("sk_test_another", "acct_2"))
    )

    if way == "PATCH":
        change(api, platform, {"properties": {"secret_key": "sk_test_rolled"}})
    else:
        post(api, body("sk_test_rolled"), status=200)

    keys = [StripeHook(each["id"]).get_conn() for each in (platform, connected, another)]
    assert [each.api_key for each in keys] == ["sk_test_rolled"] * 2 + ["sk_test_another"]
    assert [each.account for each in keys] == [None, "acct_1", "acct_2"]
    # A new key of a connected account's credential is only its own.
    change(api, connected, {"properties": {"secret_key": SECRET}})
    assert StripeHook(platform["id"]).get_conn().api_key == "sk_test_rolled"


def test_a_credential_is_deleted_when_no_sync_uses_it(api: ApiServer) -> None:
    found = post(api, body())
    path = f"{URL}/{found['id']}"
    create_sync(warehouse_url(), "eu", livemode=False, connection_id=found["id"])
    refused = api.call("op", "DELETE", path)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "credential_in_use"
    assert "eu" in refused.json()["error"]["message"]

    api.call("op", "DELETE", "/v1/syncs/eu")
    assert api.call("op", "DELETE", path).json() == {"id": found["id"], "deleted": True}
    for method in ("GET", "DELETE"):
        gone = api.call("op", method, path)
        assert (gone.status_code, gone.json()["error"]["param"]) == (404, "credential_id")


def test_another_type_of_connection_is_no_credential(api: ApiServer) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id=f"stripe_{ACCOUNT}_test", conn_type="http"))
    path = f"{URL}/stripe_{ACCOUNT}_test"
    assert api.call("op", "GET", path).status_code == 404
    assert api.call("op", "DELETE", path).status_code == 404
    assert post(api, body(), status=409)["error"]["code"] == "credential_conflict"


def test_the_list_is_paged_and_filtered(api: ApiServer) -> None:
    live = post(api, {**body(SPEC_KEY), "external_id": "live"})
    test = post(api, body())
    first = api.call("op", "GET", f"{URL}?limit=1").json()
    rest = api.call("op", "GET", f"{URL}?after_cursor={first['cursor']}").json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    ids = [each["id"] for each in first["credentials"] + rest["credentials"]]
    assert ids == sorted([live["id"], test["id"]])
    mine = api.call("op", "GET", f"{URL}?external_id=live").json()["credentials"]
    assert [each["id"] for each in mine] == [live["id"]]


def test_a_source_that_wins_over_the_stored_connection_is_named(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = post(api, body())
    variable = f"AIRFLOW_CONN_{found['id'].upper()}"
    monkeypatch.setenv(variable, '{"conn_type": "stripe", "password": "sk_test_env"}')
    shown = api.call("op", "GET", f"{URL}/{found['id']}").json()
    assert shown["overridden_by"] == f"environment variable {variable}"


def test_connections_made_by_other_means_are_credentials_too(
    api: ApiServer, sandbox: Running
) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        made = Connection(conn_id="stripe_shop", conn_type="stripe", password=SECRET)
        made.host, made.extra = sandbox.base_url, '{"max_age_days": 30, "proxy": ""}'
        session.add_all((made, Connection(conn_id="stripe_empty", conn_type="stripe")))
    empty, shop = api.call("op", "GET", URL).json()["credentials"]
    assert (empty["health"]["status"], empty["properties"]["test"]) == ("refused", None)
    assert (shop["health"]["status"], shop["properties"]["secret_key"]) == (
        "unknown",
        "sk_test_***",
    )

    assert post(api, body(name="Shop"), status=200)["id"] == "stripe_shop"
    hook = StripeHook("stripe_shop")
    assert hook.sync_settings().max_age_days == 30
    assert hook.get_conn().mode == "test"


def test_what_polling_meets_is_the_health_of_the_key(api: ApiServer, sandbox: Running) -> None:
    sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read", "rak_event_read"])
    found = post(api, body("rk_test_few"))
    create_sync(warehouse_url(), "eu", livemode=False, connection_id=found["id"])

    def health() -> Any:
        return api.call("op", "GET", f"{URL}/{found['id']}").json()["health"]

    backfill(connections_for("eu"), "eu", ["customer"])
    poll(connections_for("eu"), "eu", seconds=0.1)
    assert health()["status"] == "ok"

    backfill(connections_for("eu"), "eu", ["payout"])
    assert health()["status"] == "limited"
    assert health()["notes"] == ["sync eu may not read stripe:payout (rak_payout_read)"]

    sandbox.control.remove_key("rk_test_few")
    with pytest.raises(Exception, match="does not accept the API key"):
        poll(connections_for("eu"), "eu", seconds=0.1)
    refused = health()
    assert refused["status"] == "refused"
    assert "does not accept the API key" in refused["notes"][0]
    assert refused["time"]

    change(api, found, {"properties": {"secret_key": SECRET}})
    assert health()["status"] == "ok"
