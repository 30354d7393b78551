"""Airflow connections as credentials, settings, URLs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stripe_airflow.hooks.connections import connections_for, stripe_conn_id_of
from stripe_airflow.hooks.lake import StripeLakeHook
from stripe_airflow.hooks.stripe import StripeHook
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_sync import SyncSettings
from stripe_sync.catalog import load_catalog
from stripe_sync.errors import ConfigurationError
from stripe_sync.libpq import connection_parameters
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


def test_without_a_host_the_api_is_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "stripe_default", conn_type="stripe", password="sk_test_1")

    assert StripeHook().get_conn().api_base == "https://api.stripe.com"


def test_without_a_key_the_error_names_the_connection_and_the_field(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection(monkeypatch, "stripe_default", conn_type="stripe")

    with pytest.raises(ConfigurationError, match=r"'stripe_default'.*password field"):
        StripeHook().get_conn()


def stripe_connection(monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]) -> None:
    fields = {"conn_type": "stripe", "password": "sk_test_1", "extra": extra}
    connection(monkeypatch, "stripe_default", **fields)


def test_the_extras_are_the_settings_of_the_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    stripe_connection(monkeypatch, {"requests_per_second": 5, "redact": None, "account": "acct_1"})

    settings = StripeHook().sync_settings()

    assert settings.requests_per_second == 5
    assert settings.redact is True


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("requests_per_second", "20", 20.0),
        ("requests_per_second", "", None),
        ("max_age_days", " 30 ", 30),
        ("max_age_days", "null", None),
        ("fail_when_forbidden", "true", True),
        ("redact", "False", False),
        ("redact", "", True),
        ("cadence", "", None),
        ("include_parents", "quote, payment_link", ("quote", "payment_link")),
        ("include_parents", "", ()),
    ],
)
def test_texts_of_forms_and_environment_variables_are_understood(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    stripe_connection(monkeypatch, {name: text})

    assert getattr(StripeHook().sync_settings(), name) == value


def test_a_connection_uri_can_have_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "stripe://:sk_test_1@/?requests_per_second=20&fail_when_forbidden=true"
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_DEFAULT", uri)

    settings = StripeHook().sync_settings()

    assert (settings.requests_per_second, settings.fail_when_forbidden) == (20.0, True)


NO_OBJECT = pytest.mark.parametrize("extra", ["max_age_days=30", "[1,2]", "[]", "5", "null", "{"])


@NO_OBJECT
def test_extras_that_are_no_json_object_are_refused(
    monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    fields = {"conn_type": "stripe", "password": "sk_test_1", "extra": extra}
    connection(monkeypatch, "stripe_default", **fields)
    reason = r"extras of connection 'stripe_default' are not a JSON object: write them"

    with pytest.raises(ConfigurationError, match=reason):
        StripeHook().get_conn()
    with pytest.raises(ConfigurationError, match=reason):
        StripeHook().sync_settings()

    works, message = StripeHook().test_connection()
    assert not works
    assert "not a JSON object" in message


@NO_OBJECT
def test_extras_of_the_warehouse_that_are_no_json_object_are_refused(
    monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    connection(monkeypatch, "stripe_warehouse", conn_type="postgres", host="db", extra=extra)

    with pytest.raises(ConfigurationError, match=r"'stripe_warehouse' are not a JSON object"):
        warehouse_url()


@pytest.mark.parametrize("extra", ["", "  ", "{}", "{ }"])
def test_no_extras_select_the_defaults(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    fields = {"conn_type": "stripe", "password": "sk_test_1", "extra": extra}
    connection(monkeypatch, "stripe_default", **fields)

    assert StripeHook().get_conn().account is None
    assert StripeHook().sync_settings() == SyncSettings()


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("null", None),
        (" Null ", None),
        (" acct_1 ", "acct_1"),
    ],
)
def test_the_account_is_read_as_the_settings_are(
    monkeypatch: pytest.MonkeyPatch, text: str | None, account: str | None
) -> None:
    stripe_connection(monkeypatch, {"account": text})

    assert StripeHook().get_conn().account == account


def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    stripe_connection(monkeypatch, {"requests_per_second": -1})

    with pytest.raises(ConfigurationError, match=r"'stripe_default'.*requests_per_second"):
        StripeHook().sync_settings()


def test_unknown_extras_are_refused_by_name_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stripe_connection(monkeypatch, {"request_per_second": 5, "xyz": None, "account": "acct_1"})

    with pytest.raises(ConfigurationError) as refused:
        StripeHook().sync_settings()

    assert "'stripe_default'" in str(refused.value)
    assert "'request_per_second' (did you mean 'requests_per_second'?)" in str(refused.value)
    assert "'xyz'" in str(refused.value)
    assert "acct_1" not in str(refused.value)


def test_each_connection_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "billing", conn_type="stripe", password="sk_test_1")
    connection(monkeypatch, "db", conn_type="postgres", host="db", schema="wh")
    connection(monkeypatch, "files", conn_type="stripe_lake", host="s3://bucket/")

    found = connections_for(
        "default", stripe_conn_id="billing", warehouse_conn_id="db", lake_conn_id="files"
    )

    assert (found.credential.api_key, found.warehouse_url, found.lake_url) == (
        "sk_test_1",
        "postgresql://db/wh",
        "s3://bucket",
    )


@pytest.mark.parametrize("sync", ["warehouse", "lake"])
def test_a_sync_cannot_take_the_name_of_another_connection(sync: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot be named '{sync}'"):
        stripe_conn_id_of(sync)


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


def test_all_parameters_of_a_postgres_connection_are_in_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {
        "sslrootcert": "/ca.pem",
        "options": "-c statement_timeout=5000",
        "channel_binding": "require",
        "connect_timeout": 7,
        "keepalives": True,
        "require_auth": "none",
        "sslmode": None,
        "sslcert": "",
    }
    fields = {"host": "a,b", "port": 5433, "login": "u", "password": "null", "schema": "wh"}
    connection(monkeypatch, "stripe_warehouse", conn_type="postgres", **fields, extra=extra)

    assert connection_parameters(warehouse_url()) == {
        "host": "a,b",
        "port": "5433",
        "user": "u",
        "password": "null",
        "dbname": "wh",
        "sslrootcert": "/ca.pem",
        "options": "-c statement_timeout=5000",
        "channel_binding": "require",
        "connect_timeout": "7",
        "keepalives": "1",
        "require_auth": "none",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("sslmod", "require"), ("iam", True), ("connect_timeout", "soon")]
)
def test_extras_that_are_no_parameters_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    fields = {"conn_type": "postgres", "host": "db", "password": "secret", "extra": {name: value}}
    connection(monkeypatch, "stripe_warehouse", **fields)

    with pytest.raises(ConfigurationError, match=rf"'stripe_warehouse': .*'{name}'") as refused:
        warehouse_url()
    assert "secret" not in str(refused.value)


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
    assert "sk_test_revoked" not in reason


def test_the_lake_connection_can_be_tested_from_the_ui(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    connection(monkeypatch, "stripe_lake", conn_type="stripe_lake", host=str(tmp_path / "lake"))
    connection(monkeypatch, "bad_lake", conn_type="stripe_lake", host=str(tmp_path / "file/x"))

    assert StripeLakeHook().test_connection()[0]
    assert not StripeLakeHook("bad_lake").test_connection()[0]
    assert list((tmp_path / "lake").iterdir()) == []


def test_the_extras_of_the_credential_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    network = {"mode": "test", "proxy": "http://u:p@proxy:3128", "ca_bundle": "/etc/ca.pem"}
    stripe_connection(monkeypatch, {**network, "requests_per_second": "5"})

    credential = StripeHook().get_conn()

    assert (credential.mode, credential.proxy, credential.ca_bundle) == tuple(network.values())
    assert StripeHook().sync_settings() == SyncSettings(requests_per_second=5)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("sk_live_1", "a test mode key is expected here"),
        ("pk_test_1", "this is a publishable key"),
    ],
)
def test_a_key_that_cannot_be_right_is_named_before_any_request(
    monkeypatch: pytest.MonkeyPatch, key: str, says: str
) -> None:
    fields = {"conn_type": "stripe", "password": key, "host": "http://127.0.0.1:1"}
    connection(monkeypatch, "stripe_default", **fields, extra={"mode": "test"})

    works, message = StripeHook().test_connection()

    assert not works
    assert says in message


def test_the_test_says_what_a_restricted_key_lacks_and_where_to_make_another(
    monkeypatch: pytest.MonkeyPatch, sandbox: Any, warehouse_url: str
) -> None:
    sandbox.control.add_key("rk_test_few", permissions=["rak_customer_read", "rak_event_read"])
    fields = {"conn_type": "stripe", "host": sandbox.base_url, "password": "rk_test_few"}
    connection(monkeypatch, "stripe_default", **fields)
    monkeypatch.setenv("AIRFLOW_CONN_STRIPE_WAREHOUSE", warehouse_url)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")

    works, message = StripeHook().test_connection()

    assert works
    account, counts, missing, *_, link = message.split("\n")
    assert account == "Account acct_1SandboxShop0001, test mode."
    of_all = f"of {len(load_catalog())} collections"
    assert re.fullmatch(rf"The key may read \d+ {of_all} and write \d+ of \d+\.", counts)
    assert "plan_read" in missing
    assert link.endswith("https://airflow.example/stripe/new-key/test")
    assert len(message) < 1500
    assert "rk_test_few" not in message
