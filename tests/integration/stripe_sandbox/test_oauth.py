"""Stripe Connect's OAuth in the sandbox, as Stripe documents it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from stripe_sandbox.server import Running
from stripe_sandbox.state.sandbox_state import LIVE_KEY

QUERY = {
    "response_type": "code",
    "client_id": "ca_test_sandbox",
    "scope": "read_write",
    "redirect_uri": "http://localhost/back",
    "state": "s",
}


def authorize(sandbox: Running, **changes: str) -> Any:
    return httpx.get(f"{sandbox.base_url}/oauth/authorize", params=QUERY | changes)


def code_of(answer: Any) -> str:
    assert answer.status_code == 302, answer.text
    [code] = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
    return code


def token(sandbox: Running, code: str, /, **changes: str) -> Any:
    form = {"grant_type": "authorization_code", "code": code, "client_secret": sandbox.api_key}
    return httpx.post(f"{sandbox.base_url}/oauth/token", data=form | changes)


def read(sandbox: Running, account: str) -> int:
    headers = {"Authorization": f"Bearer {sandbox.api_key}", "Stripe-Account": account}
    return httpx.get(f"{sandbox.base_url}/v1/customers", headers=headers).status_code


def test_a_code_opens_an_account_once_and_its_second_use_revokes_it(sandbox: Running) -> None:
    code = code_of(authorize(sandbox))
    first = token(sandbox, code).json()
    account = first["stripe_user_id"]
    assert (first["livemode"], first["scope"]) == (False, "read_write")
    assert read(sandbox, account) == 200

    second = token(sandbox, code)
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert read(sandbox, account) == 403

    token(sandbox, code_of(authorize(sandbox, account=account)))
    assert read(sandbox, account) == 200


def test_a_code_is_good_for_five_minutes(sandbox: Running) -> None:
    code = code_of(authorize(sandbox))
    sandbox.control.clock(advance=301)
    assert token(sandbox, code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": LIVE_KEY}, 400, "invalid_grant"),
        ({"client_secret": "sk_test_wrong"}, 401, "invalid_client"),
        ({"code": "ac_wrong"}, 400, "invalid_grant"),
        ({"code": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_an_exchange_that_is_refused_uses_no_code(
    sandbox: Running, changes: dict[str, str], status: int, error: str
) -> None:
    code = code_of(authorize(sandbox))
    refused = token(sandbox, code, **changes)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert token(sandbox, code).status_code == 200


def test_a_person_may_deny(sandbox: Running) -> None:
    query = parse_qs(urlsplit(authorize(sandbox, deny="true").headers["location"]).query)
    assert (query["error"], query["state"]) == (["access_denied"], ["s"])
    assert "code" not in query


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "ca_other"}, "invalid_client"),
        ({"response_type": "token"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"redirect_uri": ""}, "invalid_redirect_uri"),
    ],
)
def test_a_wrong_request_stays_on_stripes_page(
    sandbox: Running, changes: dict[str, str], error: str
) -> None:
    answer = authorize(sandbox, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_account_can_be_deauthorized(sandbox: Running) -> None:
    account = token(sandbox, code_of(authorize(sandbox))).json()["stripe_user_id"]
    form = {"client_id": "ca_test_sandbox", "stripe_user_id": account}
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    url = f"{sandbox.base_url}/oauth/deauthorize"
    assert httpx.post(url, data=form, headers=headers).json() == {"stripe_user_id": account}
    assert read(sandbox, account) == 403
    assert httpx.post(url, data=form, headers=headers).status_code == 401
