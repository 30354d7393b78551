"""Requests with keys to store, and an API that stores them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dags.api_server import ApiServer
from stripe_sandbox.server import Running

SPEC_KEY = "sk_live_7eC39HqLyjWDarjtT1zdp7dc"
ACCOUNT = "acct_1SandboxShop0001"
SECRET = "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc"
URL = "/v1/credentials"


@contextmanager
def without_credentials(server: ApiServer, sandbox: Running) -> Iterator[ApiServer]:
    """The API, whose stored credentials are deleted afterwards; the sandbox has both keys."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    sandbox.control.add_key(SPEC_KEY)
    sandbox.control.add_key(SECRET)
    yield server
    with create_session() as session:
        session.query(Connection).delete()


def body(key: str = SECRET, **properties: Any) -> dict[str, Any]:
    return {"properties": {"kind": "stripe_key", "secret_key": key, **properties}}


def post(api: ApiServer, content: Any, *, status: int = 201, path: str = URL) -> Any:
    answer = api.call("op", "POST", path, json=content)
    assert answer.status_code == status, answer.text
    return answer.json()
