"""The warehouse's URL as parameters of libpq."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from stripe_sync.dbt_runner import dbt_environment
from stripe_sync.errors import ConfigurationError
from stripe_sync.libpq import (
    connect_arguments,
    connection_parameters,
    describe,
    environment,
    render_warehouse_url,
)
from stripe_sync.warehouse.connect import parse_url

KEYWORDS = [option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()]

EVERYTHING = {
    "host": "db.example",
    "port": "6543",
    "user": "us er",
    "password": "p@ss/w?r:d%",
    "dbname": "ware house",
    "sslmode": "verify-full",
    "sslrootcert": "/etc/ca's.pem",
    "options": "-c search_path=a,b -c x=1+1",
    "channel_binding": "require",
    "gssencmode": "disable",
    "connect_timeout": "7",
    "application_name": "billing & co",
    "target_session_attrs": "read-write",
    "keepalives_idle": "30",
}


@pytest.mark.parametrize("place", [{}, {"host": "/run/pg"}, {"host": "a,b"}, {"host": "::1"}])
def test_parameters_survive_the_way_through_a_url(place: dict[str, str]) -> None:
    parameters = EVERYTHING | place
    assert connection_parameters(render_warehouse_url(parameters)) == parameters


def test_engine_and_driver_get_all_parameters() -> None:
    url = render_warehouse_url(EVERYTHING)
    of_the_engine = parse_url(url).translate_connect_args(username="user", database="dbname")
    assert {**of_the_engine, **parse_url(url).query, "port": "6543"} == EVERYTHING
    assert connect_arguments(url).items() >= EVERYTHING.items()


def test_programs_get_all_parameters_and_others_do_not_see_them() -> None:
    with environment(EVERYTHING) as variables:
        file = Path(variables["PGSERVICEFILE"])
        lines = file.read_text().splitlines()
        assert file.parent.stat().st_mode & 0o077 == 0
    assert not file.exists()
    assert variables["PGPASSWORD"] == EVERYTHING["password"]
    rest = [f"{name}={value}" for name, value in EVERYTHING.items() if name != "password"]
    assert lines == [f"[{variables['PGSERVICE']}]", *rest]


def test_without_parameters_the_environment_stays_as_it_is() -> None:
    with environment({}) as variables:
        assert variables == {}


def test_dbt_gets_all_parameters() -> None:
    variables = dbt_environment(render_warehouse_url(EVERYTHING), Path("/scratch"))
    profile = {
        name.removeprefix("STRIPE_DBT_").lower(): value
        for name, value in variables.items()
        if name.startswith("STRIPE_DBT_") and name != "STRIPE_DBT_PARAMETERS"
    }
    for name, value in EVERYTHING.items():
        assert profile.get(name) == value or f'"{name}":' in variables["STRIPE_DBT_PARAMETERS"]


@pytest.mark.parametrize("name", KEYWORDS)
def test_every_parameter_of_libpq_is_taken_or_refused_by_name(name: str) -> None:
    value = {"client_encoding": "utf-8"}.get(name, "5")
    url = f"postgresql://u:secret@h/d?{name}={value}"
    if name == "service":
        with pytest.raises(ConfigurationError, match="'service'"):
            connection_parameters(url)
    else:
        assert connection_parameters(url)[name] == value


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("sslmod=require", r"'sslmod' \(did you mean 'sslmode'\?\)"),
        ("sslmode=require&pgbouncer=true", "'pgbouncer'"),
        ("connect_timeout=soon", "'connect_timeout'"),
        ("client_encoding=latin1", "'client_encoding'"),
        ("port=x", "'port'"),
        ("options=-c%20a%0A", "'options'"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        connection_parameters(f"postgresql://u:secret@h/d?{query}")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "host=db password=secret",
        "mysql://u:secret@h/d",
        "postgresql://u:%zzsecret@h/d",
        "postgresql://u:top?secret@h/d",
        "postgresql://u:top/secret@h/d",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connection_parameters(url)
    assert "secret" not in str(refused.value)
    assert "top" not in str(refused.value)


def test_defaults_give_way_to_the_url_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    assert connect_arguments("postgresql://h/d") == {
        "host": "h",
        "dbname": "d",
        "fallback_application_name": "stripe_sync",
        "client_encoding": "UTF8",
        "prepare_threshold": None,
        "tcp_user_timeout": 30_000,
        "connect_timeout": "10",
    }
    assert connect_arguments("postgresql://h/d?connect_timeout=3")["connect_timeout"] == "3"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert "connect_timeout" not in connect_arguments("postgresql://h/d")


def test_messages_name_the_address_only() -> None:
    assert describe(EVERYTHING) == "db.example:6543/ware house"
    assert describe({"dbname": "d"}) == "localhost:5432/d"
