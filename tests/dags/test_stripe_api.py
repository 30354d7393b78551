"""The HTTP API in Airflow's own API server app: its manners, and what each route does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from dags.api_server import ApiServer
from stripe_airflow.hooks.connections import connections_for
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import (
    backfill,
    create_sync,
    describe_syncs,
    get_sync,
    pause_sync,
    update_sync,
)
from stripe_sync.records.canonical_json import dumps, loads

NEVER = "anonymous"


@pytest.fixture
def api(server: ApiServer, connections: None) -> ApiServer:
    """The API with a sync ``default`` that never ran, and a credential that no sync uses."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    create_sync(warehouse_url(), "default", livemode=False)
    with create_session() as session:
        session.query(Connection).delete()
        session.add(Connection(conn_id="stripe_stored", conn_type="stripe", password="sk_test_2"))
    return server


def test_the_description_names_every_route_and_its_address(server: ApiServer) -> None:
    described = server.call("viewer", "GET", "/openapi.json").json()
    assert described["servers"] == [{"url": "/stripe"}]
    assert {"/v1/health", "/v1/syncs/{sync_id}/replicate"} <= described["paths"].keys()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, 403),
        ({"Origin": "http://testserver:8081"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_cookie_changes_something_from_airflows_pages_only(
    api: ApiServer, headers: dict[str, str], status: int
) -> None:
    cookie = {"Cookie": f"_token={api.token('admin')}"}
    answer = api.call(NEVER, "POST", "/v1/syncs/default/pause", headers=cookie | headers)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["error"]["code"] == "other_origin"
    reading = api.call(NEVER, "GET", "/v1/syncs", headers=cookie | headers)
    assert reading.status_code == 200


SECRET = "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "param"),
    [
        ("GET", "/v1/syncs?limt=1", None, 400, "parameter_unknown", "limt"),
        ("GET", "/v1/syncs?limit=0", None, 400, "parameter_invalid", "limit"),
        ("GET", "/v1/syncs?limit=1001", None, 400, "parameter_invalid", "limit"),
        ("GET", "/v1/syncs?after_cursor=%00", None, 400, "parameter_invalid", "after_cursor"),
        ("POST", "/v1/syncs", {}, 400, "parameter_missing", "name"),
        ("POST", "/v1/syncs", {"name": "eu", "nme": SECRET}, 400, "parameter_unknown", "nme"),
        ("POST", "/v1/syncs", {"name": SECRET}, 400, "parameter_invalid", "name"),
        ("POST", "/v1/syncs", {"name": "eu"}, 400, "parameter_invalid", "connection_id"),
        ("POST", "/v1/syncs", {"name": "default"}, 409, "sync_conflict", "name"),
        (
            "POST",
            "/v1/syncs",
            {"name": "eu", "backfill": SECRET},
            400,
            "parameter_invalid",
            "backfill",
        ),
        (
            *("PATCH", "/v1/syncs/default", {"settings": {"api_version": SECRET}}),
            *(400, "parameter_invalid", "settings.api_version"),
        ),
        (
            *("PATCH", "/v1/syncs/default", {"collection_ids": [SECRET]}),
            *(400, "parameter_invalid", "collection_ids"),
        ),
        *(
            ("PATCH", "/v1/syncs/default", {param: value}, 400, "parameter_invalid", param)
            for param, value in {
                "connection_id": SECRET,
                "external_id": f"my {SECRET}",
                "metadata": {"note": [SECRET]},
                "max_age_days": 10**18,
                "sync_frequency": 1e18,
            }.items()
        ),
        (
            *("PATCH", "/v1/syncs/default", {"settings": {"longest_poll_interval": 1e18}}),
            *(400, "parameter_invalid", "settings.longest_poll_interval"),
        ),
        (
            *("PATCH", "/v1/credentials/stripe_stored", {"external_id": SECRET}),
            *(400, "parameter_invalid", "external_id"),
        ),
        ("GET", "/v1/syncs/%00/status", None, 404, "resource_missing", "sync_id"),
        ("DELETE", "/v1/credentials/%00", None, 404, "resource_missing", "credential_id"),
        ("GET", f"/v1/syncs/{SECRET}", None, 404, "resource_missing", "sync_id"),
        ("POST", "/v1/syncs/nowhere/backfill", None, 404, "resource_missing", "sync_id"),
        ("GET", "/v1/nothing", None, 404, "not_found", None),
        ("PUT", "/v1/syncs", {}, 405, "method_not_allowed", None),
    ],
)
def test_errors_have_stripes_shape_and_nothing_of_the_input(  # noqa: PLR0917 - a row of the table
    api: ApiServer, method: str, path: str, body: Any, status: int, code: str, param: str | None
) -> None:
    answer = api.call("admin", method, path, json=body)

    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["code"], error.get("param")) == (
        "invalid_request_error",
        code,
        param,
    )
    assert error["message"]
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("role", "status"), [(NEVER, 401), ("admin", 400)])
def test_a_body_that_is_not_json(api: ApiServer, role: str, status: int) -> None:
    answer = api.call(role, "POST", "/v1/syncs", content=f"{{{SECRET}")
    assert answer.status_code == status
    assert SECRET not in answer.text


def test_a_warehouse_that_does_not_answer(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://u:secret@127.0.0.1:1/db"
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", url)
    answer = api.call("admin", "GET", "/v1/syncs")
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "api_error"
    assert "secret" not in answer.text


def test_a_sync_is_created_with_its_backfill_and_listed(api: ApiServer, sandbox: Any) -> None:
    body = {
        "name": "eu",
        "connection_id": "stripe_default",
        "collection_ids": ["stripe.customer"],
        "settings": {"max_age_days": 30},
        "metadata": {"team": "billing"},
        "external_id": "tenant-1",
    }
    created = api.call("op", "POST", "/v1/syncs", json=body)

    assert created.status_code == 201, created.text
    sync, run = created.json()["sync"], created.json()["run"]
    assert sync["collection_ids"] == ["stripe:customer"]
    assert (sync["livemode"], sync["account_id"]) == (False, None)
    assert (run["dag_id"], run["state"]) == ("stripe_backfill", "queued")
    assert run["dag_is_paused"] in (True, False)
    assert sandbox.control.stats()["requests"] == 0

    first = api.call("viewer", "GET", "/v1/syncs?limit=1").json()
    assert ([each["name"] for each in first["syncs"]], first["has_more"]) == (["default"], True)
    rest = api.call("viewer", "GET", f"/v1/syncs?after_cursor={first['cursor']}").json()
    assert ([each["name"] for each in rest["syncs"]], rest["has_more"]) == (["eu"], False)
    mine = api.call("viewer", "GET", "/v1/syncs?external_id=tenant-1").json()
    assert [each["id"] for each in mine["syncs"]] == [sync["id"]]
    assert api.call("viewer", "GET", f"/v1/syncs/{sync['id']}").json() == sync


def test_the_connection_that_is_stored_with_a_sync_is_used(api: ApiServer, sandbox: Any) -> None:
    body = {"name": "eu", "connection_id": "stripe_default", "backfill": False}
    assert api.call("op", "POST", "/v1/syncs", json=body).json()["run"] is None
    assert connections_for("eu").credential.api_key == sandbox.api_key


def test_a_patch_changes_what_it_names(api: ApiServer) -> None:
    path = "/v1/syncs/default"
    api.call("op", "PATCH", path, json={"external_id": "a", "metadata": {"x": 1}})
    changed = api.call(
        "op", "PATCH", path, json={"external_id": None, "settings": {"redact": False}}
    )
    assert changed.json()["external_id"] is None
    assert changed.json()["metadata"] == {"x": 1}
    assert changed.json()["settings"] == {"redact": False}


def test_a_run_is_refused_where_the_sync_may_not_run(api: ApiServer) -> None:
    api.call("op", "PATCH", "/v1/syncs/default", json={"collection_ids": ["customer"]})
    outside = {"collection_ids": ["stripe:product"]}
    for run in ("backfill", "reconcile"):
        refused = api.call("user", "POST", f"/v1/syncs/default/{run}", json=outside)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "collection_ids")
    pause_sync(warehouse_url(), "default")
    for run in ("backfill", "reconcile"):
        refused = api.call("user", "POST", f"/v1/syncs/default/{run}")
        assert refused.status_code == 409
        assert "stripe-sync syncs resume default" in refused.json()["error"]["message"]


def test_a_run_has_the_parameters_of_the_body(api: ApiServer) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    body = {"collection_ids": ["stripe:customer"], "since": "2026-01-31", "full": True}
    run = api.call("user", "POST", "/v1/syncs/default/backfill", json=body).json()

    with create_session() as session:
        [stored] = session.query(DagRun).filter(DagRun.run_id == run["run_id"])
        assert stored.conf == {
            "sync": "default",
            "collections": ["customer"],
            "since": "2026-01-31",
            "full": True,
            "requests_per_second": None,
        }
        assert stored.triggering_user_name == "user"


def test_a_deletion_keeps_the_data_unless_it_is_told(api: ApiServer, sandbox: Any) -> None:
    sandbox.control.seed({"customer": 2})
    backfill(connections_for("default"), "default", ["customer"])

    kept = api.call("op", "DELETE", "/v1/syncs/default").json()
    assert (kept["is_done"], kept["data_kept"], kept["records"]) == (True, True, 0)
    dropped = api.call("op", "DELETE", "/v1/syncs/default?keep_data=false").json()
    assert (dropped["is_done"], dropped["records"], dropped["files"]) == (True, 2, 2)


def test_the_status_has_everything_that_check_prints(api: ApiServer, sandbox: Any) -> None:
    sandbox.control.seed({"customer": 2})
    backfill(connections_for("default"), "default", ["customer"])
    status = api.call("viewer", "GET", "/v1/syncs/default/status").json()
    assert status["is_up_to_date"] is True
    assert [each["objects"] for each in status["collections"]] == [2]


def test_connected_accounts_get_a_sync_and_a_backfill_each(api: ApiServer, sandbox: Any) -> None:
    for account in ("acct_1", "acct_2"):
        sandbox.control.add_account(account)
    path = "/v1/syncs/default/connected-accounts"

    listed = api.call("op", "GET", path).json()["accounts"]
    assert {(each["account"], each["state"]) for each in listed} == {
        ("acct_1", "new"),
        ("acct_2", "new"),
    }
    one = api.call("op", "POST", path, json={"accounts": ["acct_1"], "backfill": False}).json()
    assert [sync["connected_account"] for sync in one["syncs"]] == ["acct_1"]
    assert one["runs"] == []
    done = api.call("op", "POST", path, json={"accounts": ["all"]}).json()
    [sync], [run] = done["syncs"], done["runs"]
    assert (sync["connected_account"], done["present"]) == ("acct_2", ["acct_1"])
    assert (run["dag_id"], run["state"]) == ("stripe_backfill", "queued")
    assert run["run_id"].startswith(f"first__{sync['name']}__")
    assert api.call("op", "POST", path, json={"accounts": ["all"]}).json()["syncs"] == []


@pytest.mark.parametrize("accounts", [[], ["cus_1"], ["all", "acct_1"], None])
def test_what_is_no_account_is_named(api: ApiServer, accounts: Any) -> None:
    path = "/v1/syncs/default/connected-accounts"
    error = api.call("op", "POST", path, json={"accounts": accounts}).json()["error"]
    assert "accounts" in error["param"]
    assert "accounts" in error["message"]


@pytest.fixture
def live(api: ApiServer, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """The API with the live mode key of another account in the connection ``stripe_shop``."""
    sandbox.control.add_account("acct_shop")
    sandbox.control.add_key("rk_live_shop", account="acct_shop", permissions=["rak_customer_read"])
    fields = loads(os.environ["AIRFLOW_CONN_STRIPE_DEFAULT"]) | {"password": "rk_live_shop"}
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_SHOP", dumps(fields).decode())
    update_sync(warehouse_url(), "default", collections=["customer", "product"])
    return api


def test_a_sync_is_replicated_and_its_backfill_starts_once(live: ApiServer) -> None:
    path = "/v1/syncs/default/replicate"
    shown = live.call("op", "POST", path, json={"name": "shop", "dry_run": True})
    assert shown.status_code == 200, shown.text
    assert (shown.json()["replication"]["action"], shown.json()["run"]) == ("create", None)
    assert [sync.name for sync in describe_syncs(warehouse_url())] == ["default"]

    done, again = (live.call("op", "POST", path, json={"name": "shop"}).json() for _ in range(2))

    assert [each["missing_read"] for each in done["replication"]["missing"]] == [
        ["event_read"],
        ["product_read"],
    ]
    assert (done["run"]["dag_id"], done["run"]["state"]) == ("stripe_backfill", "queued")
    assert (again["replication"]["action"], again["run"]) == ("none", done["run"])
    assert "rk_live_shop" not in shown.text
    sync = live.call("viewer", "GET", "/v1/syncs/shop").json()
    assert (sync["livemode"], sync["collection_ids"]) == (
        True,
        ["stripe:customer", "stripe:product"],
    )


def test_replicating_may_leave_the_backfill_to_others(live: ApiServer) -> None:
    body = {"name": "shop", "connection_id": "stripe_shop", "backfill": False}
    done = live.call("op", "POST", "/v1/syncs/default/replicate", json=body).json()
    assert (done["run"], len(done["replication"]["backfill"])) == (None, 2)
    assert get_sync(warehouse_url(), "shop").connection_id == "stripe_shop"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": "default"}, "name"),
        ({"name": SECRET}, "name"),
        ({"name": "shop", "connection_id": "stripe_default"}, "connection_id"),
        ({"name": "shop", "credential_id": "stripe_nowhere"}, "connection_id"),
        ({"name": "shop", "dryrun": True}, "dryrun"),
    ],
)
def test_a_replication_that_cannot_be_right_is_refused(
    live: ApiServer, body: Any, param: str
) -> None:
    answer = live.call("op", "POST", "/v1/syncs/default/replicate", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert SECRET not in answer.text
