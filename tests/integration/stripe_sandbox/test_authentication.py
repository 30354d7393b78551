from __future__ import annotations

import base64
from typing import Any

import pytest

from stripe_sandbox.resources.resource_spec import LAST_LEGACY, Resource
from stripe_sandbox.resources.top_level_resources import TOP_LEVEL
from stripe_sandbox.state.sandbox_state import ACCOUNT

NOW = 1_790_000_000
TOP_LEVEL_PARAMS = [pytest.param(resource, id=resource.object) for resource in TOP_LEVEL]


def test_keys_come_as_bearer_or_basic(api: Any) -> None:
    basic = base64.b64encode(b"sk_test_sandbox:").decode()
    api.get("/v1/customers", authorization=f"Basic {basic}")
    for header in ("", "Bearer", "Basic !!!", "Digest x"):
        error = api.refused(401, "GET", "/v1/customers", authorization=header)
        assert error["message"].startswith("You did not provide an API key.")


def test_unknown_keys_are_refused_without_being_repeated(api: Any) -> None:
    error = api.refused(401, "GET", "/v1/customers", key="sk_test_supersecretvalue")
    assert error["message"] == "Invalid API Key provided: sk_test_***"
    api.control.remove_key("sk_test_sandbox")
    api.refused(401, "GET", "/v1/customers")


@pytest.mark.parametrize(
    ("key", "trouble", "code", "text"),
    [
        ("rk_test_old", "expired", "api_key_expired", "Expired API Key provided: rk_test_***"),
        ("rk_test_home", "address", None, "does not allow requests from your IP address"),
        ("pk_test_page", None, "secret_key_required", "a publishable API key"),
    ],
)
def test_keys_that_exist_may_be_refused(
    api: Any, key: str, trouble: str | None, code: str | None, text: str
) -> None:
    api.control.add_key(key, trouble=trouble)
    error = api.refused(401, "GET", "/v1/customers", key=key)
    assert error.get("code") == code
    assert text in error["message"]
    assert key not in error["message"]


@pytest.mark.parametrize("resource", TOP_LEVEL_PARAMS)
def test_restricted_keys_get_the_missing_permission(api: Any, resource: Resource) -> None:
    api.control.add_key("rk_test_none", permissions=[])
    version = {"stripe_version": LAST_LEGACY} if resource.is_legacy else {}
    answer = api.call("GET", resource.path, key="rk_test_none", **version)
    assert answer.status_code == 403
    needed = f"rak_{resource.permission}_read"
    assert answer.json() == {
        "error": {
            "type": "invalid_request_error",
            "message": "The provided key 'rk_test_***' does not have the required permissions for "
            f"this endpoint on account '{ACCOUNT}'. Having the '{needed}' permission would allow "
            "this request to continue.",
        }
    }
    api.control.add_key("rk_test_one", permissions=[needed])
    api.get(resource.path, key="rk_test_one", **version)


def test_write_implies_read_but_not_the_other_way_round(api: Any) -> None:
    api.control.add_key("rk_test_r", permissions=["rak_customer_read"])
    api.control.add_key("rk_test_w", permissions=["rak_customer_write"])
    made = api.post("/v1/customers", key="rk_test_w")["id"]
    api.get(f"/v1/customers/{made}", key="rk_test_w")
    error = api.refused(403, "POST", f"/v1/customers/{made}", key="rk_test_r")
    assert "'rak_customer_write'" in error["message"]
    api.refused(403, "DELETE", f"/v1/customers/{made}", key="rk_test_r")


def test_permission_is_checked_before_existence(api: Any) -> None:
    api.control.add_key("rk_test_none", permissions=[])
    api.refused(403, "GET", "/v1/customers/nobody", key="rk_test_none")
    api.refused(404, "GET", "/v1/customers/nobody")


def test_connected_accounts_have_objects_and_events_of_their_own(api: Any) -> None:
    api.control.add_account("acct_other", api_version="2024-06-20")
    api.post("/v1/customers", {"name": "theirs"}, stripe_account="acct_other")
    assert api.ids("/v1/customers") == []
    assert api.event_types() == []
    assert len(api.ids("/v1/customers", stripe_account="acct_other")) == 1
    event = api.get("/v1/events", stripe_account="acct_other")["data"][0]
    assert event["api_version"] == "2024-06-20"
    assert api.get("/v1/account", stripe_account="acct_other")["id"] == "acct_other"
    assert api.ids("/v1/accounts") == ["acct_other"]
    assert api.ids("/v1/accounts", stripe_account="acct_other") == []
    error = api.refused(403, "GET", "/v1/customers", stripe_account="acct_nobody")
    assert error["code"] == "account_invalid"
    api.control.add_key("sk_test_other", account="acct_other")
    api.refused(403, "GET", "/v1/customers", key="sk_test_other", stripe_account=ACCOUNT)


def test_a_disconnected_account_is_neither_listed_nor_accessible_until_it_connects_again(
    api: Any,
) -> None:
    for account in ("acct_first", "acct_second"):
        api.control.add_account(account)
    api.post("/v1/customers", {"name": "theirs"}, stripe_account="acct_first")

    api.control.disconnect("acct_first")

    assert api.ids("/v1/accounts") == ["acct_second"]
    error = api.refused(403, "GET", "/v1/customers", stripe_account="acct_first")
    assert error["code"] == "account_invalid"
    assert "Application access may have been revoked" in error["message"]
    assert api.ids("/v1/customers", stripe_account="acct_second") == []
    api.control.add_account("acct_first")
    assert len(api.ids("/v1/customers", stripe_account="acct_first")) == 1


def test_the_account_can_be_read(api: Any) -> None:
    own = api.get("/v1/account")
    assert (own["id"], own["object"]) == (ACCOUNT, "account")
    assert api.get(f"/v1/accounts/{ACCOUNT}") == own


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/v2/customers", "/", "/v1/customers/a/b"])
def test_urls_that_do_not_exist_are_named(api: Any, path: str) -> None:
    error = api.refused(404, "GET", path)
    assert error["message"].startswith(f"Unrecognized request URL (GET: {path})")
