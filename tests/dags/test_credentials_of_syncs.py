"""Syncs over HTTP that are created together with their key, and mistakes in that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dags.api_server import ApiServer
from dags.stored_keys import ACCOUNT, SECRET, body, post, without_credentials
from stripe_airflow.hooks.connections import connections_for
from stripe_sandbox.server import Running
from stripe_sync import ConfigurationError


@pytest.fixture
def api(server: ApiServer, connections: None, sandbox: Running) -> Iterator[ApiServer]:
    """The API without stored credentials; its default address is the sandbox's."""
    with without_credentials(server, sandbox) as found:
        yield found


def test_a_sync_is_created_with_its_key(api: ApiServer, sandbox: Running) -> None:
    content = {
        "name": "eu",
        "credential": {**body(name="Shop"), "metadata": {"a": 1}},
        "rate_limit": {"allowed_requests": 20, "interval": 2000},
        "max_age_days": 30,
        "sync_frequency": 5000,
        "backfill": False,
    }
    sync = post(api, content, path="/v1/syncs")["sync"]
    assert sync["connection_id"] == f"stripe_{ACCOUNT}_test"
    assert sync["settings"] == {
        "cadence": "adaptive",
        "longest_poll_interval": 5.0,
        "max_age_days": 30,
        "requests_per_second": 10.0,
        "total_requests_per_second": 10.0,
    }
    assert connections_for("eu").credential.api_key == SECRET
    cleared = api.call(
        "op",
        "PATCH",
        "/v1/syncs/eu",
        json={"rate_limit": None, "sync_frequency": 500, "max_age_days": None},
    )
    assert cleared.json()["settings"] == {"cadence": "fixed"}
    other = {"name": "us", "credential_id": sync["connection_id"], "backfill": False}
    assert post(api, other, path="/v1/syncs")["sync"]["connection_id"] == sync["connection_id"]


@pytest.mark.parametrize(
    ("content", "status", "param"),
    [
        ({"credential_id": "a", "connection_id": "b"}, 400, "credential_id"),
        ({"credential": body(), "credential_id": "a"}, 400, "credential_id"),
        ({"credential": body(), "connection_id": "a"}, 400, "connection_id"),
        ({"credential": body("sk_test_wrong")}, 422, "credential.properties.secret_key"),
        ({"credential": body(account="x")}, 400, "credential.properties.account"),
        ({"credential": {"properties": {}}}, 400, "credential.properties.kind"),
        ({"credential": body(), "test": False}, 400, "test"),
        ({"rate_limit": {"allowed_requests": 0}}, 400, "rate_limit.allowed_requests"),
        ({"rate_limit": {"allowed_requests": True}}, 400, "rate_limit.allowed_requests"),
        ({"rate_limit": {"interval": 1}}, 400, "rate_limit.allowed_requests"),
        (
            {"rate_limit": {"allowed_requests": 1, "max_concurrent_requests": 5}},
            *(400, "rate_limit.max_concurrent_requests"),
        ),
        (
            {"rate_limit": {"allowed_requests": 1}, "settings": {"requests_per_second": 2}},
            400,
            "rate_limit",
        ),
        ({"max_age_days": 0}, 400, "max_age_days"),
        ({"max_age_days": 1, "settings": {"max_age_days": 2}}, 400, "max_age_days"),
        ({"sync_frequency": 499}, 400, "sync_frequency"),
    ],
)
def test_mistakes_of_a_new_sync_are_named(
    api: ApiServer, content: dict[str, Any], status: int, param: str
) -> None:
    refused = post(
        api,
        {"name": "eu", "test": True, "backfill": False, **content},
        status=status,
        path="/v1/syncs",
    )
    assert refused["error"]["param"] == param
    with pytest.raises(ConfigurationError):
        connections_for("eu")
