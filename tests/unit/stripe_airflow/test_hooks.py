"""What hooks make of Airflow's connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stripe_airflow.hooks.connections import connections_for, stripe_conn_id, warehouse_url
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_sync.errors import ConfigurationError
from stripe_sync.records.canonical_json import dumps


def connection(monkeypatch: pytest.MonkeyPatch, name: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", dumps(fields).decode())


def test_the_password_is_the_key_and_the_host_the_api_base(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection(
        monkeypatch,
        "stripe_default",
        conn_type="stripe",
        password="sk_test_1",
        host="http://127.0.0.1:12111/",
        extra={"account": "acct_1"},
    )

    credential = StripeHook().get_conn()

    assert credential.api_key == "sk_test_1"
    assert credential.api_base == "http://127.0.0.1:12111"
    assert credential.account == "acct_1"


def test_without_a_host_stripe_itself_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "stripe_default", conn_type="stripe", password="sk_test_1")

    assert StripeHook().get_conn().api_base == "https://api.stripe.com"


def test_a_connection_without_a_key_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "stripe_default", conn_type="stripe")

    with pytest.raises(ConfigurationError, match=r"'stripe_default'.*password field"):
        StripeHook().get_conn()


def test_settings_of_the_sync_stand_in_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(
        monkeypatch,
        "stripe_default",
        conn_type="stripe",
        password="sk_test_1",
        extra={"requests_per_second": 5, "redact": None, "account": "acct_1"},
    )

    settings = StripeHook().sync_settings()

    assert settings.requests_per_second == 5
    assert settings.redact is True


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(
        monkeypatch,
        "stripe_default",
        conn_type="stripe",
        password="sk_test_1",
        extra={"requests_per_second": -1},
    )

    with pytest.raises(ConfigurationError, match="requests_per_second"):
        StripeHook().sync_settings()


@pytest.mark.parametrize("sync", ["warehouse", "lake"])
def test_a_sync_cannot_take_the_name_of_another_connection(sync: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot be named '{sync}'"):
        stripe_conn_id(sync)


def test_a_missing_connection_is_named() -> None:
    with pytest.raises(ConfigurationError, match="stripe_nowhere"):
        connections_for("nowhere")


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"host": "db", "port": 5433, "login": "u", "password": "p@ss/w", "schema": "wh"},
            "postgresql://u:p%40ss%2Fw@db:5433/wh",
        ),
        (
            {"host": "/run/pg", "login": "u", "schema": "wh"},
            "postgresql://u@/wh?host=%2Frun%2Fpg",
        ),
        (
            {"host": "db", "schema": "wh", "extra": {"sslmode": "require", "cursor": "dictcursor"}},
            "postgresql://db/wh?sslmode=require",
        ),
    ],
)
def test_a_postgres_connection_becomes_a_url(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], url: str
) -> None:
    connection(monkeypatch, "stripe_warehouse", conn_type="postgres", **fields)

    assert warehouse_url() == url


def test_the_stripe_connection_can_be_tested_from_the_ui(
    monkeypatch: pytest.MonkeyPatch, sandbox: Any
) -> None:
    fields = {"conn_type": "stripe", "host": sandbox.base_url}
    connection(monkeypatch, "stripe_default", password=sandbox.api_key, **fields)
    connection(monkeypatch, "stripe_other", password="sk_test_revoked", **fields)

    works, account = StripeHook().test_connection()
    refused, reason = StripeHook("stripe_other").test_connection()

    assert works
    assert "acct_" in account
    assert not refused
    assert "revoked" not in reason.split("sk_test_")[-1][:7]


def test_the_lake_connection_can_be_tested_from_the_ui(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    connection(monkeypatch, "stripe_lake", conn_type="stripe_lake", host=str(tmp_path / "lake"))
    connection(monkeypatch, "bad_lake", conn_type="stripe_lake", host=str(tmp_path / "file/x"))

    assert StripeLakeHook().test_connection()[0]
    assert not StripeLakeHook("bad_lake").test_connection()[0]
    assert list((tmp_path / "lake").iterdir()) == []
