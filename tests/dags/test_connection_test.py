"""The route behind the Test button of Airflow's UI, for connections made in every way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from stripe_sync.catalog import load_catalog

URL = "/api/v2/connections"
EMPTY = {"description": "", "extra": "{}", "login": "", "schema": "", "port": 0}
"""What the UI sends of fields that are empty or hidden."""


@pytest.fixture(scope="module")
def client(airflow_database: None) -> Iterator[TestClient]:
    """Airflow's API with our plugin, logged in as admin."""
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
        settings.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        settings.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of these tests" * 4)
        from airflow.api_fastapi.app import create_app

        with TestClient(create_app("core"), base_url="http://testserver") as http:
            token = http.get("/auth/token").json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            yield http


def press_test(client: TestClient, **fields: Any) -> Any:
    """Send what the Test button sends for a stored connection; returns the answer."""
    body = {"connection_id": "stripe_shop", "conn_type": "stripe", **EMPTY, **fields}
    answer = client.post(f"{URL}/test", json={**body, "password": "***"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def stored(client: TestClient, request: pytest.FixtureRequest, sandbox: Any) -> Iterator[str]:
    """The sandbox's address; a connection to it is stored with the test's fields."""
    sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read", "rak_event_read"])
    body = {"connection_id": "stripe_shop", "conn_type": "stripe", "host": sandbox.base_url}
    answer = client.post(URL, json={**body, "password": "rk_test_few", **request.param})
    assert answer.status_code == 201, answer.text
    yield sandbox.base_url
    assert client.delete(f"{URL}/stripe_shop").status_code == 204


@pytest.mark.parametrize(
    "stored", [{}, {"port": None}, {"port": 0}], ids=["form", "cli", "plugin"], indirect=True
)
def test_a_stored_connection_can_be_tested_from_the_ui(client: TestClient, stored: str) -> None:
    answer = press_test(client, host=stored)
    assert answer["status"] is True
    assert answer["message"].startswith("Account acct_1SandboxShop0001, test mode.")
    assert "Missing to read: " in answer["message"]
    assert "rk_test_few" not in answer["message"]


@pytest.mark.parametrize("stored", [{"extra": '{"mode": "live"}'}], indirect=True)
def test_a_key_of_the_other_mode_is_named(client: TestClient, stored: str) -> None:
    answer = press_test(client, host=stored, extra='{"mode": "live"}')
    assert answer["status"] is False
    assert "a live mode key is expected here" in answer["message"]


def test_a_connection_that_is_not_stored_yet_can_be_tested(
    client: TestClient, sandbox: Any
) -> None:
    body = {"connection_id": "stripe_new", "conn_type": "stripe", **EMPTY}
    answer = client.post(
        f"{URL}/test", json={**body, "host": sandbox.base_url, "password": sandbox.api_key}
    ).json()
    assert answer["status"] is True
    assert f"of {len(load_catalog())} collections" in answer["message"]


@pytest.mark.parametrize("mode", ["live", "test"])
def test_the_link_of_the_message_leads_to_stripes_page(client: TestClient, mode: str) -> None:
    answer = client.get(f"/stripe/new-key/{mode}", follow_redirects=False)
    assert answer.status_code == 307
    place = "https://dashboard.stripe.com/" + ("test/" if mode == "test" else "")
    assert answer.headers["location"].startswith(f"{place}apikeys/create?name=")
